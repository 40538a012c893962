import type { Grant } from "../../shared/rule/grant.ts";
import type { Mapping } from "../../shared/rule/mapping.ts";

// A relay's site for tests of its doors: rules, visits and the choice of agents are the relay's own; lanes and sessions are made by hand.
// The relay's types are of another world than those of tests.

/** Loads a file of edge/relay/. */
export async function relayPart<T>(file: string): Promise<T> {
  return (await import(/* @vite-ignore */ new URL(`../../edge/relay/${file}`, import.meta.url).href)) as T;
}

type New<T> = new (...parts: never[]) => T;
const { Rules } = await relayPart<{ Rules: New<object> }>("site/rules.ts");
const { Agents } = await relayPart<{ Agents: New<{ drain: (slot: number) => void }> }>("site/agents.ts");
const { Visits } = await relayPart<{ Visits: New<{ recheck: (now: number) => void; live: object[] }> }>(
  "site/visits.ts",
);
const { ReachableTargets } = await relayPart<{ ReachableTargets: New<object> }>("site/reachable-targets.ts");
const { Rates } = await relayPart<{ Rates: New<object> }>("site/rates.ts");

export type Ruling = {
  mappings: readonly Mapping[];
  grants: readonly Grant[];
  revoked: readonly string[];
  /** Tokens that have carried all they may. */
  spent: readonly string[];
  revision: number;
};

export type AgentLike = {
  slot: number;
  targets?: readonly string[];
  said?: { allow: readonly string[]; deny: readonly string[] };
  /** Milliseconds since 1970. */
  heardAt: number;
};

export type Opened = {
  slot: number;
  dial: Uint8Array;
  ended: { code: string; reason: string } | null;
  refuse: (code: string) => void;
};
export type Recorded = { outcome: string; code: string; reason: string; endpoint: string };

/** A site with these rules and agents; what its doors open and write down is kept. `now` in milliseconds since 1970. */
export function relaySite(ruling: Partial<Ruling>, agents: readonly AgentLike[], now: number) {
  const held: Ruling = { mappings: [], grants: [], revoked: [], spent: [], revision: 1, ...ruling };
  const store = new Map<string, string>();
  const memory = {
    get: (key: string) => store.get(key),
    put: (key: string, value: string) => void store.set(key, value),
    tryAgain: () => undefined,
  };
  const write = (): void => memory.put("rules", JSON.stringify({ site: "lab", ...held }));
  write();
  const make = <T>(part: New<T>, host: unknown): T => new (part as unknown as new (host: unknown) => T)(host);
  const opened: Opened[] = [];
  const recorded: Recorded[] = [];
  const ends = agents.map(({ slot, targets, said, heardAt }) => ({
    kind: "agent",
    number: slot,
    identity: `agent-${slot}`,
    incarnation: String(slot).padStart(32, "0"),
    lanes: new Map([
      [
        0,
        {
          attachment: { targets, said, since: 0, expires: 4e9, ready: { version: "" } },
          heardAt,
          backlog: 0,
          send: () => undefined,
        },
      ],
    ]),
  }));
  const lanes = {
    agents: ends,
    callers: [],
    agent: (slot: number) => ends.find(({ number }) => number === slot),
    caller: (number: number) => ({ number }),
  };
  const rules = make(Rules, memory);
  const tokenUsage = { isOver: (token: string) => held.spent.includes(token), count: () => undefined };
  const records = { name: () => `ref-${opened.length}`, add: (record: Recorded) => void recorded.push(record) };
  const traffic = { look: () => undefined, add: () => undefined };
  const sessions = {
    keepTime: () => undefined,
    streams: () => 0,
    session: (slot: number) => ({ open: (_type: number, dial: Uint8Array) => streamTo(slot, dial, opened) }),
  };
  const site = {
    rules,
    cuts: { has: () => false },
    lanes,
    agents: make(Agents, {
      lanes,
      reachable: make(ReachableTargets, memory),
      streams: () => 0,
      lastHeard: (lane: { heardAt: number }) => lane.heardAt,
    }),
    sessions,
    visits: make(Visits, { rules, records, tokenUsage, traffic }),
    rates: make(Rates, undefined),
    tokenUsage,
    records,
    traffic,
    ready: () => Promise.resolve(),
    offlineSince: () => now,
  };
  return {
    site,
    opened,
    recorded,
    /** The agent refuses the stream that was opened as that one. */
    refuse(at: number, code: string): void {
      opened[at]?.refuse(code);
    },
    /** Takes other rules, as a push of the registry would. */
    change(next: Partial<Ruling>): void {
      Object.assign(held, next);
      (rules as { replace: (rules: object) => unknown }).replace({
        site: "lab",
        ...held,
        revision: (held.revision += 1),
      });
    },
  };
}

/** A stream of which only its opening and its end are looked at. */
function streamTo(slot: number, dial: Uint8Array, opened: Opened[]) {
  const entry: Opened = { slot, dial, ended: null, refuse: (code) => stream.reset(code, "as the test says") };
  opened.push(entry);
  const stream = {
    over: false,
    isWritable: true,
    unusedCredit: 65_536,
    events: { ended: (_failure: unknown): void => undefined },
    write: () => undefined,
    finish: () => undefined,
    consumed: () => undefined,
    reset(code: string, reason: string) {
      if (entry.ended !== null) return;
      entry.ended = { code, reason };
      this.over = true;
      this.events.ended(entry.ended);
    },
  };
  return stream;
}
