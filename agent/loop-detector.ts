import type { Kind } from "../shared/wire/open.ts";

/** Turns after which it is a loop. One alone may be chance: on a machine of its own, two connections can have the same near end. */
const MAX_PASSES = 2;

/**
 * The addresses that targets see us come from. A visitor who comes from one of them, to the port that was dialled, is ourselves:
 * what we dialled leads back to a public port of the edge or of a gateway, and would be dialled again and again.
 */
export class LoopDetector {
  /** Turns taken already, by near end and far port. */
  readonly #passes = new Map<string, number>();

  /** `local`: our end of what was dialled to `target`, for a visitor who has taken so many turns. */
  add(kind: Kind, local: string, target: string, passes: number): void {
    this.#passes.set(keyOf(kind, local, target), passes);
  }

  delete(kind: Kind, local: string, target: string): void {
    this.#passes.delete(keyOf(kind, local, target));
  }

  /** How often a visitor has come by here; 0 for others than ourselves. `visitor`: address and port, as DIAL has it. */
  passes(kind: Kind, visitor: string, endpoint: string): number {
    const before = this.#passes.get(keyOf(kind, visitor, endpoint));
    return before === undefined ? 0 : before + 1;
  }

  isLoop(passes: number): boolean {
    return passes >= MAX_PASSES;
  }
}

/** Of targets (`10.0.0.5:80`) and endpoints (`80/tcp`) it is the port that counts: what they are called may differ. */
function keyOf(kind: Kind, end: string, far: string): string {
  return `${kind} ${end} ${/(\d+)(?:\/\w+)?$/.exec(far)?.[1] ?? far}`;
}
