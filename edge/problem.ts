import type { Fault } from "../shared/result.ts";

/** Why a request was refused, as RFC 9457 tells it. `code` is stable, the rest is prose; `status` tells clients what kind of trouble it is. */
export type Problem = {
  /** 400 badly written, 401 token, 403 not for this token, 404, 408 too slow, 409 in the way of another rule, 412 changed meanwhile, 413 too large, 422 not on this edge, 429, 503 no admin secret. */
  status: 400 | 401 | 403 | 404 | 408 | 409 | 412 | 413 | 422 | 426 | 429 | 500 | 503;
  code: string;
  title: string;
  detail: string;
  fix?: string;
  /** Of several rules given at once: which one it is about, from 0, and which of its fields. */
  entry?: number;
  field?: string;
  /** Seconds until a retry makes sense; sent as Retry-After. */
  retryAfter?: number;
};

/** What the registry answers: RPC would lose the class of a thrown error. */
export type Outcome<T> = { ok: true; value: T } | { ok: false; problem: Problem };

export function done<T>(value: T): Outcome<T> {
  return { ok: true, value };
}

export function refused(problem: Problem): { ok: false; problem: Problem } {
  return { ok: false, problem };
}

/** Something a user wrote that our grammars refuse. */
export function invalid(fault: Fault): { ok: false; problem: Problem } {
  return refused({
    status: fault.code === "conflict" ? 409 : 400,
    code: fault.code,
    title: fault.code === "conflict" ? "In the way of another rule" : "Not valid",
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
