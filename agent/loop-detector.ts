import type { Kind } from "../shared/wire/open.ts";

/** Passes that make a loop. A single one may be chance: a visitor on another machine can have the address and port of one of this agent's connections. */
const MAX_PASSES = 2;

/**
 * A detector of targets that lead back to a public port of the edge or of a gateway, and would be dialled again and again. It knows the
 * local address of each connection to a target: a visitor that comes from one of them, to the port that was dialled, is this agent.
 */
export class LoopDetector {
  /** Passes so far, by local address and dialled port. */
  readonly #passes = new Map<string, number>();

  /** Adds a connection to `target`. `local`: its local address; `passes`: those of the visitor that it was dialled for. */
  add(kind: Kind, local: string, target: string, passes: number): void {
    this.#passes.set(keyOf(kind, local, target), passes);
  }

  delete(kind: Kind, local: string, target: string): void {
    this.#passes.delete(keyOf(kind, local, target));
  }

  /** Counts how often a visitor's connection has passed through this agent; 0 for all others. `visitor`: address and port, as in DIAL. */
  passes(kind: Kind, visitor: string, endpoint: string): number {
    const before = this.#passes.get(keyOf(kind, visitor, endpoint));
    return before === undefined ? 0 : before + 1;
  }

  isLoop(passes: number): boolean {
    return passes >= MAX_PASSES;
  }
}

/** Makes the key of a connection. Only the port of a target (`10.0.0.5:80`) or endpoint (`80/tcp`) counts: their hosts may be written differently. */
function keyOf(kind: Kind, end: string, far: string): string {
  return `${kind} ${end} ${/(\d+)(?:\/\w+)?$/.exec(far)?.[1] ?? far}`;
}
