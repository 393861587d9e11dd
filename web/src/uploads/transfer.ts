import type { DetailedError, Upload } from "tus-js-client";
import { noConnection, Problem, parseProblem } from "../api/problem";
import { session } from "../auth/session";

interface Hooks {
  onUrl: (url: string) => void;
  onProgress: (sent: number) => void;
  onFinished: (jobId: string | undefined) => void;
  onFailed: (problem: Problem) => void;
}

interface Source {
  file: File;
  fields: Record<string, string>;
  /** Where an earlier attempt stands, if there was one. */
  url: string | undefined;
}

const ENDPOINT = "/uploads";
const RETRY_DELAYS_MS = [0, 1_000, 2_000, 4_000, 8_000];
/** A connection that moves nothing for this long is dead, whatever TCP thinks. */
const SILENCE_MS = 60_000;
/** What may be over in a moment: the lock of a connection that has just died, a restart, a busy server. */
const PASSING = [409, 423, 429, 460, 500, 502, 503, 504];

/** One file on its way to the gateway, by the tus protocol. It can be stopped and started any number of times. */
export class Transfer {
  readonly #source: Source;
  readonly #hooks: Hooks;
  #upload: Upload | undefined;
  #watchdog: ReturnType<typeof setTimeout> | undefined;
  #isActive = false;
  #jobId: string | undefined;
  #token = "";

  constructor(source: Source, hooks: Hooks) {
    this.#source = source;
    this.#hooks = hooks;
  }

  /** Whether it is sending, or trying to. */
  get isActive(): boolean {
    return this.#isActive;
  }

  async start(): Promise<void> {
    this.#isActive = true;
    // Only who uploads something needs the client.
    const tus = await import("tus-js-client").catch(() => undefined);
    if (!this.#isActive) return;
    if (tus === undefined) {
      this.#end();
      this.#hooks.onFailed(noConnection());
      return;
    }
    this.#upload ??= this.#build(tus.Upload);
    this.#watch();
    this.#upload.start();
  }

  /** Stops sending. The gateway keeps what it has. */
  stop(): void {
    this.#end();
    void this.#upload?.abort();
  }

  #build(Client: typeof Upload): Upload {
    const { file, fields, url } = this.#source;
    const upload: Upload = new Client(file, {
      endpoint: url === undefined ? ENDPOINT : null,
      ...(url === undefined ? {} : { uploadUrl: url }),
      metadata: { filename: file.name, ...fields },
      retryDelays: RETRY_DELAYS_MS,
      // pending.ts remembers addresses, with what the page needs to show them.
      storeFingerprintForResuming: false,
      onBeforeRequest: async (request) => {
        this.#token = await session.accessToken();
        request.setHeader("Authorization", `Bearer ${this.#token}`);
      },
      onAfterResponse: (_, response) => {
        if (response.getStatus() === 401) session.forget(this.#token);
        this.#jobId = response.getHeader("Job-Location")?.split("/").pop() ?? this.#jobId;
      },
      onUploadUrlAvailable: () => {
        // Without an endpoint the client can't do what it does by default when the gateway is away for a moment: begin anew.
        upload.options.endpoint = null;
        if (upload.url) this.#hooks.onUrl(upload.url);
      },
      onProgress: (sent) => {
        this.#watch();
        this.#hooks.onProgress(sent);
      },
      onShouldRetry: (error) => {
        const status = error.originalResponse?.getStatus() ?? 0;
        // A lost connection is the queue's business, which tells the person and tries for as long as it takes.
        return status === 401 || PASSING.includes(status);
      },
      onSuccess: () => {
        this.#end();
        this.#hooks.onFinished(this.#jobId);
      },
      onError: (error) => {
        this.#end();
        this.#hooks.onFailed(problemOf(error));
      },
    });
    return upload;
  }

  #end(): void {
    this.#isActive = false;
    clearTimeout(this.#watchdog);
  }

  #watch(): void {
    clearTimeout(this.#watchdog);
    this.#watchdog = setTimeout(() => {
      this.stop();
      this.#hooks.onFailed(noConnection());
    }, SILENCE_MS);
  }
}

/** Deletes what the gateway has of an upload. One that is gone already is no failure. */
export async function discard(url: string): Promise<void> {
  for (const delay of RETRY_DELAYS_MS) {
    await new Promise((resolve) => setTimeout(resolve, delay));
    const token = await session.accessToken();
    const headers = { Authorization: `Bearer ${token}`, "Tus-Resumable": "1.0.0" };
    const answer = await fetch(url, { method: "DELETE", headers });
    // Until the gateway has noticed that the connection which was sending is gone, the upload is locked.
    if (!PASSING.includes(answer.status)) return;
  }
}

/** How many bytes the gateway has of an upload; `undefined` if there is no such upload any more. */
export async function sentSoFar(url: string): Promise<number | undefined> {
  const token = await session.accessToken();
  const answer = await fetch(url, {
    method: "HEAD",
    headers: { Authorization: `Bearer ${token}`, "Tus-Resumable": "1.0.0" },
  });
  if ([403, 404, 410].includes(answer.status)) return undefined;
  const offset = Number(answer.headers.get("Upload-Offset") ?? Number.NaN);
  if (!answer.ok || Number.isNaN(offset)) throw noConnection();
  return offset;
}

/** The largest file that the gateway takes, if it says. */
export async function largestUpload(): Promise<number | undefined> {
  const answer = await fetch(ENDPOINT, { method: "OPTIONS" });
  const bytes = Number(answer.headers.get("Tus-Max-Size") ?? Number.NaN);
  return answer.ok && bytes > 0 ? bytes : undefined;
}

function problemOf(error: Error | DetailedError): Problem {
  const response = "originalResponse" in error ? error.originalResponse : null;
  if (response === null || response.getStatus() === 0) {
    const cause = "causingError" in error ? error.causingError : null;
    return cause instanceof Problem ? cause : noConnection();
  }
  return parseProblem(response.getStatus(), response.getBody() ?? "");
}
