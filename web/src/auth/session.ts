import { noConnection, Problem, parseProblem } from "../api/problem";
import type { TokenAnswer } from "../api/types";
import { read, write } from "../ui/storage";
import { singleFlight } from "./singleFlight";

/** Who is signed in, out of the access token. It is only for showing things; the gateway checks the token itself. */
export interface Identity {
  userId: string;
  email: string;
  isVerified: boolean;
  isAdmin: boolean;
}

export type SessionState =
  | { kind: "unknown" }
  | { kind: "signed-out"; hasEnded: boolean }
  | { kind: "signed-in"; identity: Identity };

interface AccessToken {
  text: string;
  /** By this machine's monotonic clock: the other one may be wrong or be set. */
  expiresAt: number;
}

/** How much life a token must have left to be sent: its way to the gateway takes time. */
const MARGIN_MS = 30_000;
/** When a token is replaced in advance, so that nobody waits for a new one. */
const RENEW_BEFORE_MS = 60_000;
/** Says that there may be a session cookie, which scripts cannot see. It is no credential. */
const HINT = "mixdown.has-session";
const LOCK = "mixdown.refresh";
const CHANNEL = "mixdown.session";

export interface Surroundings {
  fetch: typeof fetch;
  now: () => number;
  /** Runs one piece of work at a time among all tabs. */
  exclusively: <T>(work: () => Promise<T>) => Promise<T>;
}

/**
 * The signed-in session. The access token lives in this object and nowhere else; what survives a reload is the refresh
 * token, in a cookie that only the gateway reads.
 */
export class SessionStore {
  #state: SessionState = { kind: "unknown" };
  #token: AccessToken | undefined;
  #renewal: ReturnType<typeof setTimeout> | undefined;
  readonly #listeners = new Set<() => void>();
  readonly #surroundings: Surroundings;
  readonly #refresh: () => Promise<AccessToken>;
  /** Counts sign-ins and sign-outs: the answer to a refresh that began before one of them is out of date. */
  #era = 0;
  onSharedChange: ((change: "signed-in" | "signed-out") => void) | undefined;

  constructor(surroundings: Surroundings) {
    this.#surroundings = surroundings;
    this.#refresh = singleFlight(() => surroundings.exclusively(() => this.#fetchToken()));
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly state = (): SessionState => this.#state;

  /** Takes the session up again after a load of the page, if there seems to be one. */
  async resume(mayHaveSession: boolean): Promise<void> {
    if (!mayHaveSession) {
      this.#become({ kind: "signed-out", hasEnded: false });
      return;
    }
    // Offline is not signed out: without an answer the state stays unknown, and the page tries again.
    await this.accessToken().catch(() => undefined);
  }

  /** A token that can be sent now. */
  async accessToken(): Promise<string> {
    const token = this.#token;
    if (token !== undefined && token.expiresAt - this.#surroundings.now() > MARGIN_MS) return token.text;
    if (this.#state.kind === "signed-out") throw new Problem("no_token", 401, "Not signed in");
    return (await this.#refresh()).text;
  }

  /** The gateway refused this token. Another one may be there already, which stays. */
  forget(refused: string): void {
    if (this.#token?.text === refused) this.#token = undefined;
  }

  /** Something of the account has changed that tokens tell. */
  async renewIdentity(): Promise<void> {
    if (this.#state.kind !== "signed-in") return;
    this.#token = undefined;
    await this.accessToken().catch(() => undefined);
  }

  async signIn(email: string, password: string): Promise<void> {
    const answer = await this.#post("/login", { email, password, cookie: true });
    this.#era += 1;
    this.#accept(answer);
    this.onSharedChange?.("signed-in");
  }

  async signOut(): Promise<void> {
    this.#era += 1;
    this.#end(false);
    this.onSharedChange?.("signed-out");
    // Without an answer the cookie stays until it expires; the person must know.
    await this.#surroundings.exclusively(() => this.#post("/logout", {}));
  }

  /** Another tab has signed in or out, or an operator or the person has ended all sessions. */
  adopt(change: "signed-in" | "signed-out"): void {
    this.#era += 1;
    if (change === "signed-out") {
      this.#end(false);
    } else {
      this.#token = undefined;
      this.#become({ kind: "unknown" });
      void this.resume(true);
    }
  }

  async #fetchToken(): Promise<AccessToken> {
    const era = this.#era;
    let answer: TokenAnswer;
    try {
      answer = await this.#post("/token/refresh", {});
    } catch (error) {
      const isOver = error instanceof Problem && (error.status === 401 || error.status === 403);
      // Nobody asks for a token without a reason to think that there is a session.
      if (isOver && era === this.#era) this.#end(true);
      throw error;
    }
    // Somebody signed out meanwhile: this answer must not bring them back.
    if (era !== this.#era) throw new Problem("no_token", 401, "Not signed in");
    return this.#accept(answer);
  }

  #accept(answer: TokenAnswer): AccessToken {
    const lifetime = answer.expires_in * 1000;
    const token = { text: answer.access_token, expiresAt: this.#surroundings.now() + lifetime };
    this.#token = token;
    clearTimeout(this.#renewal);
    this.#renewal = setTimeout(
      () => void this.#refresh().catch(() => undefined),
      Math.max(lifetime - RENEW_BEFORE_MS, 5_000),
    );
    this.#become({ kind: "signed-in", identity: identityOf(token.text) });
    return token;
  }

  #end(hasEnded: boolean): void {
    this.#token = undefined;
    clearTimeout(this.#renewal);
    this.#become({ kind: "signed-out", hasEnded });
  }

  #become(state: SessionState): void {
    if (state.kind === "signed-in" && this.#state.kind === "signed-in") {
      // The same person: nobody need draw anything again.
      if (JSON.stringify(state.identity) === JSON.stringify(this.#state.identity)) return;
    }
    this.#state = state;
    for (const listener of this.#listeners) listener();
  }

  async #post(path: string, body: unknown): Promise<TokenAnswer> {
    let answer: Response;
    try {
      answer = await this.#surroundings.fetch(path, {
        method: "POST",
        headers: { "Content-Type": "application/json", Accept: "application/json" },
        credentials: "same-origin",
        body: JSON.stringify(body),
      });
    } catch {
      throw noConnection();
    }
    const text = await answer.text();
    if (!answer.ok) throw parseProblem(answer.status, text);
    return (text === "" ? {} : JSON.parse(text)) as TokenAnswer;
  }
}

/** Reads the claims of a token without checking it. */
export function identityOf(token: string): Identity {
  const payload = token.split(".")[1] ?? "";
  const bytes = Uint8Array.from(atob(payload.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
  const claims = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
  return {
    userId: String(claims.sub),
    email: String(claims.email),
    isVerified: claims.email_verified === true,
    isAdmin: claims.role === "admin",
  };
}

/** Each refresh replaces the cookie's token, so two tabs must take turns. Plain http on a LAN has no locks; there the gateway's grace must do. */
async function exclusively<T>(work: () => Promise<T>): Promise<T> {
  return navigator.locks ? await navigator.locks.request(LOCK, work) : await work();
}

export const session = new SessionStore({
  fetch: (...request) => fetch(...request),
  now: () => performance.now(),
  exclusively,
});

/** Connects the session with the browser: the other tabs, and the hint that outlives the page. */
export function startSession(): void {
  const channel = new BroadcastChannel(CHANNEL);
  channel.onmessage = ({ data }) => session.adopt(data);
  session.onSharedChange = (change) => channel.postMessage(change);
  session.subscribe(() => {
    const { kind } = session.state();
    if (kind !== "unknown") write(HINT, kind === "signed-in");
  });
  addEventListener("online", () => {
    if (session.state().kind === "unknown") void session.resume(true);
  });
  void session.resume(read(HINT, false));
}

/** Before the browser leaves for an identity provider: it comes back with a cookie that the page knows nothing of. */
export function expectSession(): void {
  write(HINT, true);
}
