import { Problem, parseProblem } from "../api/problem";
import { EventParser, type ServerEvent } from "./sse";

export type Connection = "connecting" | "live" | "waiting";

export interface Hooks {
  /** The stream has begun: what happened before must be asked for. */
  onOpen: () => void;
  onEvent: (event: ServerEvent) => void;
  onConnection: (connection: Connection) => void;
  accessToken: () => Promise<string>;
  forget: (token: string) => void;
}

/** The gateway says something at least every 15 s. A connection that is silent for longer is dead, whatever TCP thinks. */
const SILENCE_MS = 45_000;
const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 30_000;

/** Follows a stream of events until it is told to stop, through any number of lost connections. Gives the way to stop it. */
export function follow(path: string, hooks: Hooks): () => void {
  const stop = new AbortController();
  void keepFollowing(path, hooks, stop.signal);
  return () => stop.abort();
}

async function keepFollowing(path: string, hooks: Hooks, stop: AbortSignal): Promise<void> {
  let delay = FIRST_DELAY_MS;
  while (!stop.aborted) {
    hooks.onConnection("connecting");
    const hasWorked = await followOnce(path, hooks, stop);
    if (stop.aborted) return;
    if (hasWorked) delay = FIRST_DELAY_MS;
    hooks.onConnection("waiting");
    // Not all clients at the same moment after a restart.
    await delayOrOnline(delay * (0.5 + Math.random()), stop);
    delay = Math.min(delay * 2, LONGEST_DELAY_MS);
  }
}

/** Whether there was a stream at all. */
async function followOnce(path: string, hooks: Hooks, stop: AbortSignal): Promise<boolean> {
  const cut = new AbortController();
  const onStop = () => cut.abort();
  stop.addEventListener("abort", onStop);
  let watchdog = setTimeout(() => cut.abort(), SILENCE_MS);
  let hasWorked = false;
  try {
    const token = await hooks.accessToken();
    const answer = await fetch(path, {
      headers: { Authorization: `Bearer ${token}`, Accept: "text/event-stream" },
      signal: cut.signal,
      cache: "no-store",
    });
    if (!answer.ok || answer.body === null) {
      const problem = parseProblem(answer.status, await answer.text());
      if (problem.status === 401) hooks.forget(token);
      throw problem;
    }
    hasWorked = true;
    hooks.onConnection("live");
    hooks.onOpen();
    const parser = new EventParser();
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      clearTimeout(watchdog);
      watchdog = setTimeout(() => cut.abort(), SILENCE_MS);
      for (const event of parser.push(value)) hooks.onEvent(event);
    }
  } catch (error) {
    // Whatever it was, the next try comes; a programming error must not vanish with it.
    if (!(error instanceof Problem || error instanceof TypeError || cut.signal.aborted)) reportError(error);
  } finally {
    clearTimeout(watchdog);
    stop.removeEventListener("abort", onStop);
    cut.abort();
  }
  return hasWorked;
}

/** Waits, but not longer than until the network is back. */
function delayOrOnline(milliseconds: number, stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      removeEventListener("online", end);
      stop.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    addEventListener("online", end);
    stop.addEventListener("abort", end);
  });
}
