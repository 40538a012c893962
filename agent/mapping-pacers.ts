import { Pacer, type Pacers } from "../shared/session/pacer.ts";

const HOST = {
  now: () => performance.now(),
  later: (ms: number, run: () => void) => void setTimeout(run, ms),
};

type Entry = { rate: number; pace: Pacers; users: number };

/** The pacers of the mappings in use that have a rate. All bytes of a mapping pass through its agent, from the edge, a client or a gateway. */
export class MappingPacers {
  readonly #byMapping = new Map<number, Entry>();

  /** Returns the pacers of a mapping for one more stream; null without a rate (bytes per second). Call `leave` at the stream's end. */
  enter(mapping: number, rate: number | undefined): Pacers | null {
    if (rate === undefined) return null;
    let entry = this.#byMapping.get(mapping);
    if (entry?.rate !== rate) {
      // The rate has changed: open streams keep the pacers they began with.
      entry = { rate, pace: { in: new Pacer(rate, HOST), out: new Pacer(rate, HOST) }, users: 0 };
      this.#byMapping.set(mapping, entry);
    }
    entry.users += 1;
    return entry.pace;
  }

  leave(mapping: number, pace: Pacers | null): void {
    const entry = this.#byMapping.get(mapping);
    if (entry === undefined || entry.pace !== pace) return;
    entry.users -= 1;
    if (entry.users === 0) this.#byMapping.delete(mapping);
  }
}
