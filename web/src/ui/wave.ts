/** Heights from 0 to 1 that look like a piece of music; the same seed gives the same ones. */
export function sketch(seed: string, count: number): number[] {
  let state = 2166136261;
  for (const character of seed) state = Math.imul(state ^ (character.codePointAt(0) ?? 0), 16777619);
  const random = () => {
    // xorshift32: nobody needs good randomness to draw bars.
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
  random();
  const [a, b, c] = [random(), random(), random()];
  return Array.from({ length: count }, (_, index) => {
    const x = index / count;
    const swell = 0.5 + 0.3 * Math.sin(2 * Math.PI * (2 * x + a)) + 0.2 * Math.sin(2 * Math.PI * (5 * x + b));
    const beat = 0.65 + 0.35 * Math.abs(Math.sin(Math.PI * (14 * x + c)));
    return Math.min(1, Math.max(0.08, swell * beat * (0.55 + 0.6 * random())));
  });
}
