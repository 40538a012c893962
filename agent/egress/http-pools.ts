import type { Dial } from "../../shared/wire/open.ts";
import { parseTarget } from "../../shared/address/target.ts";
import type { TargetPolicy } from "../policy.ts";
import { parseHttpOptions, type HttpDialOptions } from "./http-options.ts";
import { TargetPool } from "./http-pool.ts";

/** The most pools kept: a mapping that is edited leaves its old one behind. */
const MAX_POOLS = 256;

/** A pool of connections to a target, and the HTTP options of its mapping. */
export type HttpTarget = { pool: TargetPool; options: HttpDialOptions };

/** The agent's HTTP connections: a pool for each mapping, target and set of options. */
export class HttpPools {
  readonly #policy: TargetPolicy;
  #targets = new Map<string, HttpTarget>();
  /** The rules that the idle connections were judged by. */
  #judgedBy: TargetPolicy;

  constructor(policy: TargetPolicy) {
    this.#policy = policy;
    this.#judgedBy = { ...policy };
  }

  /** Returns the pool and options for a DIAL; null if its target or options are malformed. */
  targetOf({ mapping, target: text, options: optionsText }: Dial): HttpTarget | null {
    this.#dropOutdated();
    const key = `${mapping} ${text} ${optionsText}`;
    const known = this.#targets.get(key);
    if (known !== undefined) return known;
    const target = parseTarget(text);
    const options = parseHttpOptions(optionsText);
    if (!target.ok || options === undefined) return null;
    const httpTarget = { pool: new TargetPool(target.value, options, this.#policy), options };
    if (this.#targets.size >= MAX_POOLS) this.#forgetOldest();
    this.#targets.set(key, httpTarget);
    return httpTarget;
  }

  /** Drops all pools if the rules have changed: a kept connection is not dialled again, and so would never be judged by the new rules. */
  #dropOutdated(): void {
    const { claims, allow, deny } = this.#policy;
    const before = this.#judgedBy;
    if (claims === before.claims && allow === before.allow && deny === before.deny) return;
    this.#judgedBy = { claims, allow, deny };
    for (const { pool } of this.#targets.values()) pool.retire();
    this.#targets = new Map();
  }

  #forgetOldest(): void {
    const [oldest] = this.#targets;
    if (oldest === undefined) return;
    this.#targets.delete(oldest[0]);
    oldest[1].pool.retire();
  }
}
