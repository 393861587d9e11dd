import type { ProblemCode } from "./types";

/** The gateway's answer when something went wrong (RFC 9457), or that there was none. */
export class Problem extends Error {
  readonly code: ProblemCode | "no_connection" | "unknown";
  readonly status: number;
  readonly detail: string | undefined;
  readonly requestId: string | undefined;

  constructor(code: Problem["code"], status: number, title: string, detail?: string, requestId?: string) {
    super(title);
    this.name = "Problem";
    this.code = code;
    this.status = status;
    this.detail = detail;
    this.requestId = requestId;
  }
}

export function noConnection(): Problem {
  return new Problem("no_connection", 0, "The service cannot be reached");
}

/** Reads a problem out of the body of an answer; what is no problem document, such as a proxy's page, is `unknown`. */
export function parseProblem(status: number, body: string): Problem {
  try {
    const document = JSON.parse(body) as { code?: unknown; title?: unknown; detail?: unknown; request_id?: unknown };
    if (typeof document.code === "string") {
      return new Problem(
        document.code as ProblemCode,
        status,
        typeof document.title === "string" ? document.title : document.code,
        typeof document.detail === "string" ? document.detail : undefined,
        typeof document.request_id === "string" ? document.request_id : undefined,
      );
    }
  } catch {
    // No JSON at all.
  }
  return new Problem("unknown", status, `The service answered ${status}`);
}
