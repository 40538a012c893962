import { Buckets } from "../../shared/buckets.ts";
import type { Hello } from "../../shared/wire/control.ts";
import { LANE_CLOSE } from "../../shared/wire/errors.ts";
import { HELLO_BURST, HELLOS_PER_SECOND } from "../../shared/wire/limits.ts";
import { PROTOCOL, VERSION } from "../../shared/wire/version.ts";

/** Identities remembered. */
const MAX_IDENTITIES = 1_000;
/** Changes of process of one identity within this many milliseconds that are a fight, not a restart. */
const TAKEOVER_PERIOD_MS = 60_000;
const MAX_TAKEOVERS = 3;

/** What a lane's token says of the end that dials. */
type Pass = { readonly kind: Hello["kind"]; readonly identity: string; readonly renewOnly?: boolean | undefined };

/** What the relay knows of that end, asked for only as far as the verdict hangs on it. */
export type HelloFacts<E> = {
  /** The end, if it has lanes here. */
  existing: () => E | undefined;
  /** More than it may have waits for lanes of its token. */
  hasExcessBacklog: () => boolean;
  /** One more end of its token can be served. */
  hasBudget: () => boolean;
  /** An agent process with its token is there. */
  isServed: () => boolean;
};

export type Verdict<E> =
  /** A lane of an `existing` end, or the first of a new one. */
  | { type: "welcome"; existing: E | undefined }
  /** A lane that is kept, though it stands for no end yet. */
  | { type: "parked"; why: { renew: true } | { standby: true } }
  | { type: "refused"; code: number; reason: string };

/** Judges HELLOs: which ends may come in, and how often. */
export class HelloPolicy {
  readonly #buckets = new Buckets(MAX_IDENTITIES);
  readonly #takeovers = new Takeovers();

  /** Says what becomes of a lane that has said HELLO. `now` in milliseconds. */
  judge<E>(pass: Pass, hello: Hello, facts: HelloFacts<E>, now: number): Verdict<E> {
    const { identity } = pass;
    const refuse = (code: number, reason: string): Verdict<E> => ({ type: "refused", code, reason });
    if (hello.protocol !== PROTOCOL) {
      const behind = hello.protocol < PROTOCOL ? hello.kind : "edge";
      const both = `this ${hello.kind} speaks protocol ${hello.protocol}, the edge (${VERSION}) ${PROTOCOL}`;
      return refuse(LANE_CLOSE.incompatible, `${both}: update the ${behind}`);
    }
    if (hello.kind !== pass.kind) return refuse(LANE_CLOSE.forbidden, `the token is one of a ${pass.kind}`);
    if (pass.renewOnly === true) return { type: "parked", why: { renew: true } };
    if (facts.hasExcessBacklog())
      return refuse(LANE_CLOSE.busy, "too much waits for lanes of this token that are not read");
    if (!this.permit(identity, now))
      return refuse(LANE_CLOSE.busy, `more than ${HELLOS_PER_SECOND} new lanes of this token a second`);
    const existing = facts.existing();
    if (existing !== undefined) return { type: "welcome", existing };
    if (!facts.hasBudget()) return refuse(LANE_CLOSE.busy, "too many ends at this relay");
    const isServed = facts.isServed();
    if (isServed && hello.standby === true) return { type: "parked", why: { standby: true } };
    if (isServed && !this.#takeovers.permit(identity, now)) {
      console.warn(`two processes use the token of ${identity} and push each other out; the older one stays`);
      return refuse(
        LANE_CLOSE.superseded,
        "another process with this token is serving; give each agent a token of its own",
      );
    }
    return { type: "welcome", existing };
  }

  /** Whether an identity may say HELLO once more: every one is a write to storage. In memory: what is forgotten would have refilled by then. */
  permit(identity: string, now: number): boolean {
    return this.#buckets.take(identity, HELLOS_PER_SECOND, HELLO_BURST, now);
  }
}

/** Two processes with one token push each other out for ever: noticed here, and settled for the elder. */
export class Takeovers {
  readonly #byIdentity = new Map<string, number[]>();

  /** A new process of an identity wants in while another is there. False: it is one too many within a minute. */
  permit(identity: string, now: number): boolean {
    const recent = (this.#byIdentity.get(identity) ?? []).filter((at) => now - at < TAKEOVER_PERIOD_MS);
    if (recent.length >= MAX_TAKEOVERS) return false;
    this.#byIdentity.set(identity, [...recent, now]);
    return true;
  }
}
