import type { Dial } from "../../shared/open.ts";
import { parseTarget } from "../../shared/target.ts";
import type { TargetPolicy } from "../policy.ts";
import { parseHttpOptions, type HttpDialOptions } from "./http-options.ts";
import { TargetPool } from "./http-pool.ts";

/** Pools kept; a mapping that has been edited leaves its old one behind. */
const MOST = 256;

export type Way = { pool: TargetPool; options: HttpDialOptions };

/** The agent's HTTP connections: a pool for each mapping, target and way to speak to it. */
export class HttpPools {
  readonly #policy: TargetPolicy;
  readonly #ways = new Map<string, Way>();

  constructor(policy: TargetPolicy) {
    this.#policy = policy;
  }

  /** Null when DIAL makes no sense. */
  wayTo({ mapping, target: text, options: optionsText }: Dial): Way | null {
    const key = `${mapping} ${text} ${optionsText}`;
    const known = this.#ways.get(key);
    if (known !== undefined) return known;
    const target = parseTarget(text);
    if (!target.ok) return null;
    const options = parseHttpOptions(optionsText);
    const way = { pool: new TargetPool(target.value, options, this.#policy), options };
    if (this.#ways.size >= MOST) this.#forgetOldest();
    this.#ways.set(key, way);
    return way;
  }

  #forgetOldest(): void {
    const [oldest] = this.#ways;
    if (oldest === undefined) return;
    this.#ways.delete(oldest[0]);
    oldest[1].pool.closeIdle();
  }
}
