import { uptime } from "node:os";

/** Milliseconds since this machine was started, its sleep included. Setting a clock does not change it. */
export function msSinceBoot(): number {
  return uptime() * 1000;
}

/**
 * The time by the edge's clock, which is the one that judges tokens and grants: this machine's own may be wrong, or be set while we
 * run.
 */
export class EdgeTime {
  #ahead: number | undefined;

  /** The edge says its time now, in milliseconds since 1970. */
  set(time: number): void {
    this.#ahead = time - msSinceBoot();
  }

  /** Milliseconds since 1970; undefined until the edge has said its time. */
  get now(): number | undefined {
    return this.#ahead === undefined ? undefined : msSinceBoot() + this.#ahead;
  }
}
