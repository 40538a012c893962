import { Buckets } from "../../shared/buckets.ts";
import type { Hello } from "../../shared/wire/control.ts";
import { LANE_CLOSE } from "../../shared/wire/errors.ts";
import { HELLO_BURST, HELLOS_PER_SECOND } from "../../shared/wire/limits.ts";
import { PROTOCOL, VERSION } from "../../shared/wire/version.ts";

/** Identities whose rate of HELLOs is tracked. */
const MAX_IDENTITIES = 1_000;
/** An identity may be taken over by a new process this often within the period (milliseconds); more is a conflict, not a restart. */
const TAKEOVER_PERIOD_MS = 60_000;
const MAX_TAKEOVERS = 3;

/** The claims of a lane's token that count for its HELLO. */
type Pass = { readonly kind: Hello["kind"]; readonly identity: string; readonly renewOnly?: boolean | undefined };

/** What the relay knows about the end that has sent HELLO. Functions, as the policy evaluates only those that it needs. */
export type HelloFacts<E> = {
  /** The end, if it has other lanes here. */
  existing: () => E | undefined;
  /** The backlog of its identity blocks new lanes. */
  hasExcessBacklog: () => boolean;
  /** The budget is large enough for one more end of its identity. */
  hasBudget: () => boolean;
  /** Another agent process with its identity is connected. */
  isServed: () => boolean;
};

export type Verdict<E> =
  /** The lane joins the `existing` end, or is the first one of a new end. */
  | { type: "welcome"; existing: E | undefined }
  /** The lane is kept, but counts as no agent and no caller yet. */
  | { type: "parked"; why: { renew: true } | { standby: true } }
  | { type: "refused"; code: number; reason: string };

/** Decides which HELLOs are accepted, and how many in a second. */
export class HelloPolicy {
  readonly #buckets = new Buckets(MAX_IDENTITIES);
  readonly #takeovers = new Takeovers();

  /** Decides about a lane that has sent HELLO. `now` in milliseconds. */
  judge<E>(pass: Pass, hello: Hello, facts: HelloFacts<E>, now: number): Verdict<E> {
    const { identity } = pass;
    const refuse = (code: number, reason: string): Verdict<E> => ({ type: "refused", code, reason });
    if (hello.protocol !== PROTOCOL) {
      const behind = hello.protocol < PROTOCOL ? hello.kind : "edge";
      const versions = `this ${hello.kind} speaks protocol ${hello.protocol}, the edge (${VERSION}) ${PROTOCOL}`;
      return refuse(LANE_CLOSE.incompatible, `${versions}: update the ${behind}`);
    }
    if (hello.kind !== pass.kind)
      return refuse(LANE_CLOSE.forbidden, `the token is for a ${pass.kind}, not for a ${hello.kind}`);
    if (pass.renewOnly === true) return { type: "parked", why: { renew: true } };
    if (facts.hasExcessBacklog())
      return refuse(LANE_CLOSE.busy, "lanes of this token have too large a backlog: their end does not read");
    if (!this.permit(identity, now))
      return refuse(LANE_CLOSE.busy, `more than ${HELLOS_PER_SECOND} new lanes of this token a second`);
    const existing = facts.existing();
    if (existing !== undefined) return { type: "welcome", existing };
    if (!facts.hasBudget())
      return refuse(LANE_CLOSE.busy, "too many agents, clients and gateways are connected to this site");
    const isServed = facts.isServed();
    if (isServed && hello.standby === true) return { type: "parked", why: { standby: true } };
    if (isServed && !this.#takeovers.permit(identity, now)) {
      console.warn(`two processes use the token of ${identity} and keep replacing each other; the older one stays`);
      return refuse(
        LANE_CLOSE.superseded,
        "another process with this token is serving; give each agent a token of its own",
      );
    }
    return { type: "welcome", existing };
  }

  /**
   * Counts a HELLO of an identity and returns whether its rate allows it, because each HELLO is a write to storage. Counts are in memory
   * only: they would refill while the relay hibernates.
   */
  permit(identity: string, now: number): boolean {
    return this.#buckets.take(identity, HELLOS_PER_SECOND, HELLO_BURST, now);
  }
}

/** Detects two processes with one token that keep replacing each other, and refuses the newer one. */
export class Takeovers {
  readonly #byIdentity = new Map<string, number[]>();

  /** Counts a takeover of an identity by a new process; false when there were too many within a minute. */
  permit(identity: string, now: number): boolean {
    const recent = (this.#byIdentity.get(identity) ?? []).filter((at) => now - at < TAKEOVER_PERIOD_MS);
    if (recent.length >= MAX_TAKEOVERS) return false;
    this.#byIdentity.set(identity, [...recent, now]);
    return true;
  }
}
