import { RELAY_BUDGET } from "../../../shared/wire/limits.ts";

/** Bytes that no honest end can have on its way: all of a relay's budget, and control frames beside it. */
const MAX_BYTES = RELAY_BUDGET + 4 * 1024 * 1024;

/** What is queued for the lanes of one identity, those included that are closed and whose end does not let go. */
export class IdentityBacklog {
  bytes = 0;

  /** True when more is on its way than credit can ever allow: the end grants what it may not, and reads nothing. */
  get isOverrun(): boolean {
    return this.bytes > MAX_BYTES;
  }

  /** True while so much hangs in lanes of this identity that it gets no other. */
  get blocksNewLanes(): boolean {
    return this.bytes > MAX_BYTES / 2;
  }
}

/** One account for each identity: new incarnations and new lanes of a token draw on the same one. */
export class IdentityBacklogs {
  readonly #byIdentity = new Map<string, IdentityBacklog>();

  of(identity: string): IdentityBacklog {
    const existing = this.#byIdentity.get(identity);
    if (existing !== undefined) return existing;
    for (const [other, { bytes }] of this.#byIdentity) if (bytes === 0) this.#byIdentity.delete(other);
    const backlog = new IdentityBacklog();
    this.#byIdentity.set(identity, backlog);
    return backlog;
  }
}
