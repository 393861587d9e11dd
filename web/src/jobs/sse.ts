/** One event of a stream of Server-Sent Events. */
export interface ServerEvent {
  name: string;
  data: string;
}

/**
 * Takes a stream of Server-Sent Events apart, as the HTML standard has it. `EventSource` would do, but cannot send a
 * token in a header, and a token in an address ends up in logs.
 */
export class EventParser {
  #rest = "";
  #name = "";
  #data: string[] = [];

  /** The events that end in this piece of text. Pieces may end anywhere. */
  push(text: string): ServerEvent[] {
    const events: ServerEvent[] = [];
    this.#rest += text;
    // A CR at the very end may be half of a CR LF: it waits for the next piece.
    const lines = this.#rest.split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? "";
    for (const line of lines) {
      const event = this.#take(line);
      if (event) events.push(event);
    }
    return events;
  }

  #take(line: string): ServerEvent | undefined {
    if (line === "") return this.#dispatch();
    // A comment, which keeps the connection alive.
    if (line.startsWith(":")) return undefined;
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.#name = value;
    if (field === "data") this.#data.push(value);
    return undefined;
  }

  #dispatch(): ServerEvent | undefined {
    const event = { name: this.#name || "message", data: this.#data.join("\n") };
    const isEmpty = this.#data.length === 0;
    this.#name = "";
    this.#data = [];
    return isEmpty ? undefined : event;
  }
}
