import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { SessionStore } from "./session";

const token = (email: string) => `x.${btoa(JSON.stringify({ sub: "1", email, email_verified: true, role: "user" }))}.x`;

/** A gateway that gives out numbered tokens when the test says so. */
function gateway() {
  const waiting: (() => void)[] = [];
  let count = 0;
  let status = 200;
  let isPaused = false;
  let now = 0;
  const fetch = vi.fn(async (_path: RequestInfo | URL, _options?: RequestInit) => {
    if (isPaused) await new Promise<void>((resolve) => waiting.push(resolve));
    count += 1;
    const body =
      status === 200
        ? { access_token: token(`${count}@example.org`), token_type: "Bearer", expires_in: 900 }
        : { code: "invalid_refresh_token", title: "over" };
    return new Response(JSON.stringify(body), { status });
  });
  return {
    fetch,
    store: new SessionStore({ fetch: fetch as typeof globalThis.fetch, now: () => now, exclusively: (work) => work() }),
    pause: () => (isPaused = true),
    go: () => {
      for (const resolve of waiting.splice(0)) resolve();
    },
    answerWith: (code: number) => (status = code),
    wait: (milliseconds: number) => (now += milliseconds),
  };
}

describe("the session", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test("concurrent requests share one refresh", async () => {
    const { store, fetch } = gateway();
    const tokens = await Promise.all([store.accessToken(), store.accessToken(), store.accessToken()]);
    expect(new Set(tokens).size).toBe(1);
    expect(fetch).toHaveBeenCalledTimes(1);
  });

  test("a token is used until shortly before it expires, then replaced", async () => {
    const { store, fetch, wait } = gateway();
    const first = await store.accessToken();
    wait(860_000);
    expect(await store.accessToken()).toBe(first);
    wait(15_000);
    expect(await store.accessToken()).not.toBe(first);
    expect(fetch).toHaveBeenCalledTimes(2);
  });

  test("a token is replaced before it expires without anybody asking", async () => {
    const { store, fetch } = gateway();
    await store.accessToken();
    await vi.advanceTimersByTimeAsync(841_000);
    expect(fetch).toHaveBeenCalledTimes(2);
  });

  test("a refused refresh ends the session and says so", async () => {
    const { store, answerWith } = gateway();
    store.forget(await store.accessToken());
    answerWith(401);
    await expect(store.accessToken()).rejects.toMatchObject({ code: "invalid_refresh_token" });
    expect(store.state()).toEqual({ kind: "signed-out", hasEnded: true });
  });

  test("no connection is not a sign-out", async () => {
    const { store, fetch } = gateway();
    store.forget(await store.accessToken());
    fetch.mockRejectedValueOnce(new TypeError("network"));
    await expect(store.accessToken()).rejects.toMatchObject({ code: "no_connection" });
    expect(store.state().kind).toBe("signed-in");
    await expect(store.accessToken()).resolves.toBeTypeOf("string");
  });

  test("a refresh that ends after a sign-out does not sign in again", async () => {
    const { store, pause, go } = gateway();
    store.forget(await store.accessToken());
    pause();
    const late = store.accessToken();
    const out = store.signOut();
    go();
    await expect(late).rejects.toMatchObject({ code: "no_token" });
    go();
    await out;
    expect(store.state()).toEqual({ kind: "signed-out", hasEnded: false });
  });

  test("a refused token is replaced once, however many requests it was refused to", async () => {
    const { store, fetch } = gateway();
    const refused = await store.accessToken();
    store.forget(refused);
    const next = await store.accessToken();
    store.forget(refused);
    expect(await store.accessToken()).toBe(next);
    expect(fetch).toHaveBeenCalledTimes(2);
  });

  test("without a hint nobody is asked", async () => {
    const { store, fetch } = gateway();
    await store.resume(false);
    expect(store.state()).toEqual({ kind: "signed-out", hasEnded: false });
    expect(fetch).not.toHaveBeenCalled();
  });
});
