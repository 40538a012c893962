import { readWholeBody } from "../shared/whole-body.ts";
import { done, refused, type Outcome, type Problem } from "./problem.ts";

/** Limits for reading one request's body. */
export type BodyRule = {
  /** Bytes. */
  limit: number;
  /** Deadline for the whole body, in milliseconds. */
  ms: number;
  /** The unfinished bodies that this one counts with; absent for admins, whose number is not limited. */
  openBodies?: OpenBodies;
};

/** Bodies being read, at most `max`. When another one starts, the oldest is aborted. */
export class OpenBodies {
  readonly #max: number;
  /** The functions that abort the bodies, the oldest first. */
  readonly #bodies = new Set<() => void>();

  constructor(max: number) {
    this.#max = max;
  }

  /** Adds a body, with the function that aborts it. Returns the function to call when the body has ended. */
  add(abort: () => void): () => void {
    const [oldest] = this.#bodies;
    if (oldest !== undefined && this.#bodies.size >= this.#max) {
      this.#bodies.delete(oldest);
      oldest();
    }
    this.#bodies.add(abort);
    return () => void this.#bodies.delete(abort);
  }
}

/**
 * Unfinished bodies of requests without an admin token: 256 of at most 24 KiB hold 6 MiB. The oldest is aborted instead of the newest
 * being refused: an honest login arrives in one piece, so a body that has been open for long is held open on purpose.
 */
const UNAUTHENTICATED = new OpenBodies(256);

/** Limits for a login: a form with the longest token, escaped. */
export const LOGIN_BODY: BodyRule = { limit: 24 * 1024, ms: 10_000, openBodies: UNAUTHENTICATED };
/** Limits for requests with an agent's token. */
export const AGENT_BODY: BodyRule = { limit: 4 * 1024, ms: 10_000, openBodies: UNAUTHENTICATED };
/** Limits for an admin's request: a mapping with a CA bundle is the longest. */
export const ADMIN_BODY: BodyRule = { limit: 64 * 1024, ms: 30_000 };

/**
 * Reads a request's body as text. Fails when it exceeds the limit (413, without reading on), misses the deadline (408), is aborted
 * in favour of newer ones (503), breaks off, or is not UTF-8 (400).
 */
export async function readBody(request: Request, rule: BodyRule): Promise<Outcome<string>> {
  const { limit, ms, openBodies } = rule;
  // A Content-Length over the limit saves reading. It may be absent or false, so bytes are counted as well.
  if (Number(request.headers.get("content-length") ?? 0) > limit) return refused(tooLarge(limit));
  const { promise: abort, resolve } = Promise.withResolvers<void>();
  let isAborted = false;
  const timer = setTimeout(resolve, ms);
  const remove = openBodies?.add(() => {
    isAborted = true;
    resolve();
  });
  try {
    const body = await readWholeBody(request.body, limit, abort);
    return body.ok ? textOf(body.bytes) : refused(problemOf(body.why, rule, isAborted));
  } finally {
    clearTimeout(timer);
    remove?.();
  }
}

function problemOf(why: "too-large" | "given-up" | "broken-off", { limit, ms }: BodyRule, isAborted: boolean): Problem {
  switch (why) {
    case "too-large":
      return tooLarge(limit);
    case "given-up":
      return isAborted ? TOO_MANY_OPEN : tooSlow(ms);
    case "broken-off":
      return BROKEN_OFF;
  }
}

function textOf(bytes: Uint8Array): Outcome<string> {
  try {
    return done(new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(bytes));
  } catch {
    return refused(NOT_TEXT);
  }
}

function tooLarge(limit: number): Problem {
  return {
    status: 413,
    code: "body-too-large",
    title: "Too large",
    detail: `The body of this request is longer than the limit of ${limit} bytes.`,
    fix: "Send less at once.",
  };
}

function tooSlow(ms: number): Problem {
  return {
    status: 408,
    code: "body-too-slow",
    title: "Too slow",
    detail: `The body of this request did not end within ${ms / 1000} s.`,
    fix: "Send it again over a faster connection.",
  };
}

const TOO_MANY_OPEN: Problem = {
  status: 503,
  code: "busy",
  title: "Too busy",
  detail: "Too many unfinished requests were open at once; this one, the oldest, was ended.",
  fix: "Send it again.",
};

/** The answer when the sender has gone, and so does not read it. */
const BROKEN_OFF: Problem = {
  status: 400,
  code: "body-broken-off",
  title: "Not valid",
  detail: "The connection ended before the body of this request did.",
};

const NOT_TEXT: Problem = {
  status: 400,
  code: "bad-request",
  title: "Not valid",
  detail: "The body is not UTF-8.",
};
