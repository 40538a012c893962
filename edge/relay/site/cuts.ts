import type { Cut, KeepRule } from "../../../shared/wire/control.ts";
import { MAX_GRACE_MS } from "../../../shared/wire/limits.ts";

/** Milliseconds a cut is kept: no stream waits longer for its agent. */
const KEEP_MS = MAX_GRACE_MS;
/** Cuts kept; the oldest ones beyond it are dropped. */
const MAX_CUTS = 1_000;

/** A cut as stored. `narrowed`: the mapping's rule has become narrower. The rule is not stored: an agent gets the present one. */
export type StoredCut = Omit<Cut, "keep"> & { narrowed?: boolean };

/** An entry as stored. `told`: incarnations of the agents that have received the cut. */
type CutEntry = { cut: StoredCut; at: number; told: string[] };

export type CutsStore = { get: (key: string) => string | undefined; put: (key: string, value: string) => void };

/**
 * Recent cuts, for agents that were away: streams of clients wait at the agents, and must end when their rule was removed. Stored,
 * so it survives the instance; written only when rules change or an agent comes.
 */
export class Cuts {
  readonly #store: CutsStore;

  constructor(store: CutsStore) {
    this.#store = store;
  }

  /** Stores a cut. `told`: incarnations of the agents that it is sent to at once. `now` in milliseconds since 1970. */
  add(cut: StoredCut, told: readonly string[], now: number): void {
    const isOlder = (former: StoredCut): boolean =>
      cut.narrowed === true && former.narrowed === true && former.mapping === cut.mapping;
    const kept = this.#recent(now).filter((each) => !isOlder(each.cut));
    kept.push({ cut, at: now, told: [...told] });
    this.#save(kept.slice(-MAX_CUTS));
  }

  /** Returns the cuts that this agent has missed, and marks them as sent to it. `rule` returns a mapping as it is now. */
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

  /** Whether this mapping was removed recently, so that agents may still report its streams. */
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

/** Picks the fields of a rule by which agents recheck open streams. */
export function keepRuleOf({ access, allow, deny, maxStreams }: KeepRule): KeepRule {
  return { access, allow, deny, maxStreams };
}
