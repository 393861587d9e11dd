import { connect, createServer, type Server, type Socket } from "node:net";

/** The wire between the browser and Mixdown, which a test can cut: every connection breaks, and no new one is made. */
export class Wire {
  readonly #target: URL;
  readonly #ends = new Set<Socket>();
  #server: Server | undefined;
  #isCut = false;

  constructor(target: URL) {
    this.#target = target;
  }

  /** The port on this machine at which it begins. */
  async open(): Promise<number> {
    const server = createServer((near) => {
      if (this.#isCut) {
        near.destroy();
        return;
      }
      const far = connect(Number(this.#target.port || 80), this.#target.hostname);
      for (const [end, other] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#ends.add(end);
        end.on("close", () => {
          this.#ends.delete(end);
          other.destroy();
        });
        // A connection that breaks is what this is for.
        end.on("error", () => undefined);
        end.pipe(other);
      }
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("the wire has no port");
    return address.port;
  }

  cut(): void {
    this.#isCut = true;
    for (const end of this.#ends) end.destroy();
  }

  mend(): void {
    this.#isCut = false;
  }

  close(): void {
    this.cut();
    this.#server?.close();
  }
}
