import { readWholeBody } from "../shared/whole-body.ts";
import { done, refused, type Outcome, type Problem } from "./problem.ts";

/** Limits for reading one request's body. */
export type BodyRule = {
  /** Bytes. */
  limit: number;
  /** Deadline for the whole body, in milliseconds. */
  ms: number;
  /** Unfinished bodies that share one limit on their number; absent for administrators. */
  crowd?: Unfinished;
};

/** Bodies that are being read. When there are `most` and another one starts, the oldest is aborted. */
export class Unfinished {
  readonly #most: number;
  /** What aborts each body, the oldest first. */
  readonly #bodies = new Set<() => void>();

  constructor(most: number) {
    this.#most = most;
  }

  /** Adds a body, with the function that aborts it. Returns the function to call when the body has ended. */
  enter(giveUp: () => void): () => void {
    const [oldest] = this.#bodies;
    if (oldest !== undefined && this.#bodies.size >= this.#most) {
      this.#bodies.delete(oldest);
      oldest();
    }
    this.#bodies.add(giveUp);
    return () => void this.#bodies.delete(giveUp);
  }
}

/**
 * Unfinished bodies of requests without an admin token: 256 of at most 24 KiB hold 6 MiB. The oldest is aborted instead of the newest
 * being refused: an honest login arrives in one piece, so a body that has been open for long is held open on purpose.
 */
const STRANGERS = new Unfinished(256);

/** Limits for a login: a form with the longest token, escaped. */
export const LOGIN_BODY: BodyRule = { limit: 24 * 1024, ms: 10_000, crowd: STRANGERS };
/** Limits for requests with an agent's token. */
export const AGENT_BODY: BodyRule = { limit: 4 * 1024, ms: 10_000, crowd: STRANGERS };
/** Limits for an administrator's request: a mapping with a CA bundle is the longest. */
export const ADMIN_BODY: BodyRule = { limit: 64 * 1024, ms: 30_000 };

/**
 * Reads a request's body as text. Fails when it exceeds the limit (413, without reading on), misses the deadline (408), is aborted
 * in favour of newer ones (503), breaks off, or is not UTF-8 (400).
 */
export async function readBody(request: Request, rule: BodyRule): Promise<Outcome<string>> {
  const { limit, ms, crowd } = rule;
  // A Content-Length over the limit saves reading. It may be absent or false, so bytes are counted as well.
  if (Number(request.headers.get("content-length") ?? 0) > limit) return refused(tooLarge(limit));
  const { promise: giveUp, resolve } = Promise.withResolvers<void>();
  let isCrowded = false;
  const timer = setTimeout(resolve, ms);
  const leave = crowd?.enter(() => {
    isCrowded = true;
    resolve();
  });
  try {
    const body = await readWholeBody(request.body, limit, giveUp);
    return body.ok ? textOf(body.bytes) : refused(problemOf(body.why, rule, isCrowded));
  } finally {
    clearTimeout(timer);
    leave?.();
  }
}

function problemOf(why: "too-large" | "given-up" | "broken-off", { limit, ms }: BodyRule, isCrowded: boolean): Problem {
  switch (why) {
    case "too-large":
      return tooLarge(limit);
    case "given-up":
      return isCrowded ? CROWDED : tooSlow(ms);
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
    detail: `The body of this request may have ${limit} bytes at most.`,
    fix: "Send less at once.",
  };
}

function tooSlow(ms: number): Problem {
  return {
    status: 408,
    code: "body-too-slow",
    title: "Too slow",
    detail: `The body of this request did not end within ${ms / 1000} s.`,
    fix: "Send it again, over a better line.",
  };
}

const CROWDED: Problem = {
  status: 503,
  code: "busy",
  title: "Too busy",
  detail: "Too many requests that had not ended were open at once; this one had been open longest.",
  fix: "Send it again.",
};

/** The peer has gone and does not read this answer. */
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
