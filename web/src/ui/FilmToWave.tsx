import { sketch } from "./wave";
import "./FilmToWave.css";

const WIDTH = 1200;
const HEIGHT = 200;
const GAP = 7;
/** Frames narrower than this have no perforation: they are on their way to being bars. */
const FILM_WIDTH = 40;
const HOLE = 7;

/** What Mixdown does, as one drawing: frames of a film grow narrower from left to right until they are the bars of a waveform. */
export function FilmToWave() {
  return (
    <svg
      className="film-to-wave"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="xMinYMid slice"
      aria-hidden="true"
      focusable="false"
    >
      {SHAPES.map(({ x, width, height, opacity }) => (
        <g key={x} className={width > FILM_WIDTH ? "film" : "bar"} opacity={opacity}>
          <rect x={x} y={(HEIGHT - height) / 2} width={width} height={height} rx={Math.min(width / 2, 8)} />
          {width > FILM_WIDTH && <Perforation x={x} width={width} height={height} />}
        </g>
      ))}
    </svg>
  );
}

function Perforation({ x, width, height }: { x: number; width: number; height: number }) {
  const count = Math.max(2, Math.floor(width / 20));
  const places = Array.from({ length: count }, (_, index) => x + ((index + 0.5) * width) / count - HOLE / 2);
  const top = (HEIGHT - height) / 2 + 7;
  return places.map((place) => (
    <g key={place} className="hole">
      <rect x={place} y={top} width={HOLE} height={HOLE} rx={2} />
      <rect x={place} y={HEIGHT - top - HOLE} width={HOLE} height={HOLE} rx={2} />
    </g>
  ));
}

const SHAPES = shapes();

function shapes() {
  const heights = sketch("mixdown", 120);
  const all: { x: number; width: number; height: number; opacity: number }[] = [];
  let x = 1;
  while (x < WIDTH) {
    // From 1, all film, to 0, all sound.
    const film = 1 - Math.min(1, Math.max(0, (x / WIDTH - 0.06) / 0.55));
    const width = 5 + 118 * film ** 3;
    const sound = 24 + 150 * (heights[all.length] ?? 0.5);
    const height = 96 * film ** 0.7 + sound * (1 - film);
    all.push({ x, width, height, opacity: width > FILM_WIDTH ? 1 : Math.min(1, 1.25 - film ** 2 * 1.6) });
    x += width + GAP;
  }
  return all;
}
