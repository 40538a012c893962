import { RELAY_BUDGET } from "../../../shared/wire/limits.ts";

/** The largest backlog that an end which keeps to the protocol can have: the whole budget of a relay, plus control frames. */
const MAX_BYTES = RELAY_BUDGET + 4 * 1024 * 1024;

/** The backlog of all lanes of one identity, including closed lanes whose end has not disconnected yet. */
export class IdentityBacklog {
  bytes = 0;

  /** True when the backlog is larger than credit can ever allow: the end grants more credit than its share, and does not read. */
  get isOverrun(): boolean {
    return this.bytes > MAX_BYTES;
  }

  /** True while the backlog of this identity is too large for it to get another lane. */
  get blocksNewLanes(): boolean {
    return this.bytes > MAX_BYTES / 2;
  }
}

/** One backlog for each identity: all processes and lanes of a token count together. */
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
