import type { Cut, KeepRule } from "../../../shared/wire/control.ts";
import { MAX_GRACE_MS } from "../../../shared/wire/limits.ts";

/** Milliseconds a cut is kept: no stream outlives its agent's absence for longer. */
const KEEP_MS = MAX_GRACE_MS;
/** Cuts kept; with more at once, an agent that was away is better told to begin anew than not told. */
const MAX_CUTS = 1_000;

/** `narrowed`: the mapping's rule has changed. What it says is not kept: agents are told what it says by the time they hear of it. */
export type StoredCut = Omit<Cut, "keep"> & { narrowed?: boolean };

type CutEntry = { cut: StoredCut; at: number; /** Incarnations of the agents that have heard it. */ told: string[] };

export type CutsStore = { get: (key: string) => string | undefined; put: (key: string, value: string) => void };

/**
 * What was cut lately, for agents that were away: the streams of clients wait at the agents, and a rule that was
 * removed meanwhile must end them. Outlives the instance; written only when rules change or an agent comes.
 */
export class Cuts {
  readonly #store: CutsStore;

  constructor(store: CutsStore) {
    this.#store = store;
  }

  /** Notes a cut, and who hears it now. `now` in milliseconds since 1970. */
  add(cut: StoredCut, told: readonly string[], now: number): void {
    const isOlder = (former: StoredCut): boolean =>
      cut.narrowed === true && former.narrowed === true && former.mapping === cut.mapping;
    const kept = this.#recent(now).filter((each) => !isOlder(each.cut));
    kept.push({ cut, at: now, told: [...told] });
    this.#save(kept.slice(-MAX_CUTS));
  }

  /** What this agent has not heard; it counts as told. `rule`: a mapping as it is now. */
  missed(incarnation: string, now: number, rule: (id: number) => KeepRule | undefined): Cut[] {
    const kept = this.#recent(now);
    const missed = kept.filter(({ told }) => !told.includes(incarnation));
    if (missed.length === 0) return [];
    for (const { told } of missed) told.push(incarnation);
    this.#save(kept);
    return missed.flatMap(({ cut: { narrowed, ...cut } }) => {
      if (narrowed !== true) return [cut];
      const present = cut.mapping === undefined ? undefined : rule(cut.mapping);
      return present === undefined ? [] : [{ ...cut, keep: keepRuleOf(present) }];
    });
  }

  /** Whether this mapping was cut lately: what agents still say of its streams is true. */
  has(mapping: number, now: number): boolean {
    return this.#recent(now).some(({ cut }) => cut.mapping === mapping && cut.narrowed !== true);
  }

  #recent(now: number): CutEntry[] {
    const text = this.#store.get("cuts");
    const kept = text === undefined ? [] : (JSON.parse(text) as CutEntry[]);
    return kept.filter(({ at }) => at > now - KEEP_MS);
  }

  #save(kept: readonly CutEntry[]): void {
    this.#store.put("cuts", JSON.stringify(kept));
  }
}

/** What of a rule decides on streams that are open. */
export function keepRuleOf({ access, allow, deny, maxStreams }: KeepRule): KeepRule {
  return { access, allow, deny, maxStreams };
}
