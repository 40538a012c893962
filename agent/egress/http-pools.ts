import type { Dial } from "../../shared/wire/open.ts";
import { parseTarget } from "../../shared/address/target.ts";
import type { TargetPolicy } from "../policy.ts";
import { parseHttpOptions, type HttpDialOptions } from "./http-options.ts";
import { TargetPool } from "./http-pool.ts";

/** Pools kept; a mapping that has been edited leaves its old one behind. */
const MOST = 256;

export type Way = { pool: TargetPool; options: HttpDialOptions };

/** The agent's HTTP connections: a pool for each mapping, target and way to speak to it. */
export class HttpPools {
  readonly #policy: TargetPolicy;
  #ways = new Map<string, Way>();
  /** The rules that the idle connections were judged by. */
  #judgedBy: TargetPolicy;

  constructor(policy: TargetPolicy) {
    this.#policy = policy;
    this.#judgedBy = { ...policy };
  }

  /** Null when DIAL makes no sense. */
  wayTo({ mapping, target: text, options: optionsText }: Dial): Way | null {
    this.#judgeAnew();
    const key = `${mapping} ${text} ${optionsText}`;
    const known = this.#ways.get(key);
    if (known !== undefined) return known;
    const target = parseTarget(text);
    const options = parseHttpOptions(optionsText);
    if (!target.ok || options === undefined) return null;
    const way = { pool: new TargetPool(target.value, options, this.#policy), options };
    if (this.#ways.size >= MOST) this.#forgetOldest();
    this.#ways.set(key, way);
    return way;
  }

  /** Other rules than before: a connection that was kept is not dialled again, and so would never be judged by them. */
  #judgeAnew(): void {
    const { claims, allow, deny } = this.#policy;
    const before = this.#judgedBy;
    if (claims === before.claims && allow === before.allow && deny === before.deny) return;
    this.#judgedBy = { claims, allow, deny };
    for (const { pool } of this.#ways.values()) pool.retire();
    this.#ways = new Map();
  }

  #forgetOldest(): void {
    const [oldest] = this.#ways;
    if (oldest === undefined) return;
    this.#ways.delete(oldest[0]);
    oldest[1].pool.retire();
  }
}
