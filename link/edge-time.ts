import { uptime } from "node:os";

/** Returns the milliseconds since this machine was started, sleep included. Setting the clock does not change it. */
export function msSinceBoot(): number {
  return uptime() * 1000;
}

/**
 * The time by the edge's clock, by which tokens and grants expire: this machine's clock may be wrong, or be set while the program
 * runs.
 */
export class EdgeTime {
  /** What the edge's clock showed when this machine was started, in milliseconds since 1970. */
  #edgeTimeAtBoot: number | undefined;

  /** Sets the edge's current time, in milliseconds since 1970. */
  set(time: number): void {
    this.#edgeTimeAtBoot = time - msSinceBoot();
  }

  /** Milliseconds since 1970; undefined until the edge has sent its time. */
  get now(): number | undefined {
    return this.#edgeTimeAtBoot === undefined ? undefined : msSinceBoot() + this.#edgeTimeAtBoot;
  }
}
