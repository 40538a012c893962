import { Pacer, type Pace } from "../shared/session/pacer.ts";

const HOST = {
  now: () => performance.now(),
  later: (ms: number, run: () => void) => void setTimeout(run, ms),
};

type Entry = { rate: number; pace: Pace; users: number };

/** The pacers of the mappings in use that have a rate. All bytes of a mapping pass its agent, whichever way their visitors came. */
export class MappingPacers {
  readonly #byMapping = new Map<number, Entry>();

  /** The pace of a mapping for one more stream; null without a rate. Give it back with `leave`. */
  enter(mapping: number, rate: number | undefined): Pace | null {
    if (rate === undefined) return null;
    let entry = this.#byMapping.get(mapping);
    if (entry?.rate !== rate) {
      // Changed meanwhile: streams that are open keep the pace they began with.
      entry = { rate, pace: { in: new Pacer(rate, HOST), out: new Pacer(rate, HOST) }, users: 0 };
      this.#byMapping.set(mapping, entry);
    }
    entry.users += 1;
    return entry.pace;
  }

  leave(mapping: number, pace: Pace | null): void {
    const entry = this.#byMapping.get(mapping);
    if (entry === undefined || entry.pace !== pace) return;
    entry.users -= 1;
    if (entry.users === 0) this.#byMapping.delete(mapping);
  }
}
