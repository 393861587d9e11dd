/** Over how long the speed is measured: short enough to follow the network, long enough not to jump. */
const WINDOW_MS = 4_000;

/** How fast bytes go, over the last seconds. */
export class Speedometer {
  #samples: { at: number; sent: number }[] = [];

  add(sent: number, at: number): void {
    const last = this.#samples.at(-1);
    // A resumed upload begins somewhere else.
    if (last !== undefined && sent < last.sent) this.#samples = [];
    this.#samples.push({ at, sent });
    while (this.#samples.length > 2 && at - (this.#samples[0]?.at ?? at) > WINDOW_MS) this.#samples.shift();
  }

  reset(): void {
    this.#samples = [];
  }

  /** Bytes in a second; `undefined` until there is something to measure. */
  speed(): number | undefined {
    const first = this.#samples[0];
    const last = this.#samples.at(-1);
    if (first === undefined || last === undefined || last.at - first.at < 250) return undefined;
    return ((last.sent - first.sent) * 1000) / (last.at - first.at);
  }
}
