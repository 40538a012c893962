import type { Fault } from "../shared/result.ts";

/** Why a request was refused, as in RFC 9457. `code` is stable; `title`, `detail` and `fix` are prose. */
export type Problem = {
  /**
   * 400 malformed, 401 bad token, 403 not allowed for this token, 408 too slow, 409 conflict with another rule, 412 changed
   * meanwhile, 413 too large, 422 not possible on this edge, 503 not set up, busy, or storage failed.
   */
  status: 400 | 401 | 403 | 404 | 408 | 409 | 412 | 413 | 422 | 426 | 429 | 500 | 503;
  code: string;
  title: string;
  detail: string;
  fix?: string;
  /** When several rules were sent: the index (from 0) of the one at fault, and its field. */
  entry?: number;
  field?: string;
  /** Seconds until a retry makes sense; sent as Retry-After. */
  retryAfter?: number;
};

/** Result of a call to the registry. Errors are values because RPC loses the class of a thrown error. */
export type Outcome<T> = { ok: true; value: T } | { ok: false; problem: Problem };

export function done<T>(value: T): Outcome<T> {
  return { ok: true, value };
}

export function refused(problem: Problem): { ok: false; problem: Problem } {
  return { ok: false, problem };
}

/** Converts a parser's error to a refusal. */
export function invalid(fault: Fault): { ok: false; problem: Problem } {
  return refused({
    status: fault.code === "conflict" ? 409 : 400,
    code: fault.code,
    title: fault.code === "conflict" ? "Conflict with another rule" : "Not valid",
    detail: fault.message,
    ...(fault.fix === undefined ? {} : { fix: fault.fix }),
    ...(fault.path === undefined ? {} : { field: fault.path }),
  });
}

export function problemResponse(problem: Problem, headers: Record<string, string> = {}): Response {
  const { status, retryAfter, ...rest } = problem;
  const later: Record<string, string> = retryAfter === undefined ? {} : { "retry-after": String(retryAfter) };
  return new Response(`${JSON.stringify({ type: "about:blank", status, ...rest })}\n`, {
    status,
    headers: { "content-type": "application/problem+json", "cache-control": "no-store", ...later, ...headers },
  });
}
