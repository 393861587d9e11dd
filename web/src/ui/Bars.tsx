import { sketch } from "./wave";
import "./Bars.css";

const COUNT = 72;

interface BarsProps {
  seed: string;
  /** From 0 to 1. */
  ratio: number;
  label: string;
  /** What is said instead of the percentage. */
  text?: string;
  isStill?: boolean;
}

/** A progress bar in the shape of a sound: what is done is in colour. */
export function Bars({ seed, ratio, label, text, isStill = false }: BarsProps) {
  const percent = Math.floor(Math.min(1, Math.max(0, ratio)) * 100);
  return (
    <div
      className={isStill ? "bars bars-still" : "bars"}
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={percent}
      aria-valuetext={text}
    >
      <svg viewBox={`0 0 ${COUNT * 5} 40`} preserveAspectRatio="none" aria-hidden="true" focusable="false">
        {sketch(seed, COUNT).map((height, index) => (
          <rect
            // biome-ignore lint/suspicious/noArrayIndexKey: the bars never move
            key={index}
            x={index * 5 + 1}
            width={3}
            y={20 - 17 * height}
            height={34 * height}
            rx={1.5}
            className={index < (COUNT * percent) / 100 ? "is-done" : undefined}
          />
        ))}
      </svg>
    </div>
  );
}
