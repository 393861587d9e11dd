import type { Peaks } from "../api/types";

/** The loudest sample of each of `count` stretches, from 0 to 1, in relation to the loudest of all. */
export function heights(peaks: Pick<Peaks, "data" | "bits">, count: number): number[] {
  const pairs = Math.floor(peaks.data.length / 2);
  if (pairs === 0 || count <= 0) return [];
  const full = 2 ** (peaks.bits - 1);
  const raw = Array.from({ length: count }, (_, index) => {
    const from = Math.floor((index * pairs) / count);
    const to = Math.max(from + 1, Math.floor(((index + 1) * pairs) / count));
    let highest = 0;
    for (let pair = from; pair < to; pair += 1) {
      highest = Math.max(highest, -(peaks.data[2 * pair] ?? 0), peaks.data[2 * pair + 1] ?? 0);
    }
    return highest / full;
  });
  // A quiet recording is drawn as large as a loud one; silence stays flat.
  const loudest = Math.max(...raw);
  return loudest < 0.01 ? raw : raw.map((height) => height / loudest);
}
