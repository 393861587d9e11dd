import { type Connection, follow, type Hooks } from "./live";

type Told = "hello" | { connection: Connection } | { event: Parameters<Hooks["onEvent"]>[0] };

/**
 * Follows a stream of events together with the other windows that do so under this name: one of them holds it and tells
 * the others, and when it leaves the next one takes over. A browser gives a host six connections of HTTP/1.1 for all of
 * its windows, and each stream takes one.
 */
export function followTogether(name: string, path: string, hooks: Hooks): () => void {
  // Plain http on a LAN has no locks.
  if (!navigator.locks) return follow(path, hooks);
  const stop = new AbortController();
  const channel = new BroadcastChannel(name);
  const tell = (told: Told) => channel.postMessage(told);
  let connection: Connection = "connecting";
  let isLeading = false;
  const become = (next: Connection) => {
    // Also when somebody else's stream has been live for long: what it told before must be asked for.
    if (next === "live" && connection !== "live") hooks.onOpen();
    connection = next;
    hooks.onConnection(next);
  };
  channel.onmessage = ({ data }: MessageEvent<Told>) => {
    if (data === "hello") {
      if (isLeading) tell({ connection });
    } else if ("event" in data) hooks.onEvent(data.event);
    else become(data.connection);
  };
  const lead = () => {
    isLeading = true;
    const leave = follow(path, {
      ...hooks,
      onOpen: () => undefined,
      onConnection: (next) => {
        become(next);
        tell({ connection: next });
      },
      onEvent: (event) => {
        hooks.onEvent(event);
        tell({ event });
      },
    });
    return new Promise<void>((resolve) => {
      stop.signal.addEventListener("abort", () => {
        leave();
        resolve();
      });
    });
  };
  tell("hello");
  // Refused only when told to stop before its turn.
  void navigator.locks.request(name, { signal: stop.signal }, lead).catch(() => undefined);
  return () => {
    stop.abort();
    channel.close();
  };
}

/** Does something only while the page can be seen; phones let a page sleep that cannot, with whatever it holds. */
export function whileInSight(begin: () => () => void): () => void {
  let end: (() => void) | undefined;
  const look = () => {
    if (!document.hidden) end ??= begin();
    else {
      end?.();
      end = undefined;
    }
  };
  look();
  document.addEventListener("visibilitychange", look);
  return () => {
    document.removeEventListener("visibilitychange", look);
    end?.();
  };
}
