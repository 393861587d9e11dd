import { session } from "../auth/session";
import { noConnection, type Problem, parseProblem } from "./problem";

/** How long an answer may take to begin; uploads and streams have rules of their own. */
const PATIENCE_MS = 30_000;

interface Call {
  method?: "GET" | "POST" | "PATCH" | "DELETE";
  body?: unknown;
  signal?: AbortSignal;
}

/** Calls a route with the session's token and gives the JSON of its answer; `undefined` if that has none. */
export async function call<T>(path: string, options: Call = {}): Promise<T> {
  const answer = await fetchSignedIn(path, options);
  const text = await answer.text();
  return (text === "" ? undefined : JSON.parse(text)) as T;
}

/** Calls a route that needs no session. */
export async function callOpenly<T>(path: string, options: Call = {}): Promise<T> {
  const answer = await send(path, options, undefined);
  const text = await answer.text();
  return (text === "" ? undefined : JSON.parse(text)) as T;
}

/** The answer itself, for pictures and streams. */
export async function fetchSignedIn(path: string, options: Call = {}): Promise<Response> {
  const token = await session.accessToken();
  try {
    return await send(path, options, token);
  } catch (error) {
    if (!isStaleToken(error)) throw error;
    // The gateway knows better than our clock: one new token, one more try.
    session.forget(token);
    return await send(path, options, await session.accessToken());
  }
}

function isStaleToken(error: unknown): boolean {
  const code = (error as Problem).code;
  return code === "expired_token" || code === "invalid_token";
}

async function send(
  path: string,
  { method = "GET", body, signal }: Call,
  token: string | undefined,
): Promise<Response> {
  const headers = new Headers({ Accept: "application/json" });
  if (token !== undefined) headers.set("Authorization", `Bearer ${token}`);
  if (body !== undefined) headers.set("Content-Type", "application/json");
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), PATIENCE_MS);
  let answer: Response;
  try {
    answer = await fetch(path, {
      method,
      headers,
      signal: signal ? AbortSignal.any([signal, patience.signal]) : patience.signal,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw noConnection();
  } finally {
    clearTimeout(timer);
  }
  if (!answer.ok) throw parseProblem(answer.status, await answer.text());
  return answer;
}
