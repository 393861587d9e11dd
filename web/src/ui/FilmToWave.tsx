import { sketch } from "./wave";
import "./FilmToWave.css";

const WIDTH = 1200;
const HEIGHT = 200;
const GAP = 7;

/** What Mixdown does, as one drawing: frames of a film grow narrower from left to right until they are the bars of a waveform. */
export function FilmToWave({ seed = "mixdown" }: { seed?: string }) {
  return (
    <svg
      className="film-to-wave"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="xMidYMid slice"
      aria-hidden="true"
      focusable="false"
    >
      {shapes(seed).map(({ x, width, height, film }) => (
        <rect
          key={x}
          x={x}
          y={(HEIGHT - height) / 2}
          width={width}
          height={height}
          rx={Math.min(width / 2, 9)}
          className={film > 0.5 ? "film" : "bar"}
          opacity={film > 0.5 ? 0.35 + 0.65 * film : 1 - 1.2 * film}
        />
      ))}
    </svg>
  );
}

function shapes(seed: string) {
  const heights = sketch(seed, 120);
  const all: { x: number; width: number; height: number; film: number }[] = [];
  let x = 2;
  while (x < WIDTH) {
    const along = x / WIDTH;
    // All film up to a tenth of the way, all sound from two thirds on.
    const film = 1 - Math.min(1, Math.max(0, (along - 0.06) / 0.55));
    const width = 5 + 118 * film ** 3;
    const sound = 24 + 150 * (heights[all.length] ?? 0.5);
    all.push({ x, width, height: 84 * film ** 0.7 + sound * (1 - film), film: film ** 3 * 1.4 });
    x += width + GAP;
  }
  return all;
}
