import { expect, test } from "vitest";
import { IdentityBacklogs } from "../../edge/relay/lanes/identity-backlogs.ts";
import { isSufficient, sharePerEnd } from "../../edge/relay/site/budget.ts";
import { Cuts } from "../../edge/relay/site/cuts.ts";
import { demandOf, divide, type Demand } from "../../shared/session/division.ts";
import { MAX_GRACE_MS, MAX_STREAM_WINDOW as MOST, MIN_BUDGET, RELAY_BUDGET } from "../../shared/wire/limits.ts";

const MIB = 1024 * 1024;

function wanting(...wants: number[]): Demand[] {
  return wants.map((each) => ({ bytes: each, unread: 0 }));
}

test("what all ends may grant together stays within the relay's budget, whoever has how many and wants what", () => {
  const many = Array.from({ length: 200 }, (_, at) => at * MIB);
  for (const wants of [[0], [0, 0], [MOST, MOST], [MOST, 4 * MIB, 0], many]) {
    const parts = divide(RELAY_BUDGET, wanting(...wants));
    expect(parts.reduce((sum, part) => sum + part, 0)).toBeLessThanOrEqual(RELAY_BUDGET);
    expect(Math.min(...parts)).toBeGreaterThan(MIN_BUDGET - 2);
  }
});

test("one that wants much gets it while nobody else does, and shares it with others that do", () => {
  expect(divide(RELAY_BUDGET, wanting(0, 0))).toEqual([RELAY_BUDGET / 2, RELAY_BUDGET / 2]);
  expect(divide(RELAY_BUDGET, wanting(MOST, 0, 0, 0, 0, 0))[0]).toBeGreaterThanOrEqual(MOST);
  expect(divide(RELAY_BUDGET, wanting(MOST, MOST))).toEqual([RELAY_BUDGET / 2, RELAY_BUDGET / 2]);
  const [much = 0, little = 0, nothing = 0] = divide(RELAY_BUDGET, wanting(MOST, 4 * MIB, 0));
  expect(little).toBeGreaterThanOrEqual(4 * MIB);
  expect(much).toBeGreaterThan(2 * little);
  expect(nothing).toBeGreaterThanOrEqual(MIB);
});

test("what stopped readers hold stays theirs, what is left is divided, and nobody is left without", () => {
  const [holder = 0, reader = 0] = divide(RELAY_BUDGET, [
    { bytes: 0, unread: 13 * MIB },
    { bytes: MOST, unread: 0 },
  ]);
  expect(holder).toBeGreaterThan(13 * MIB + MIN_BUDGET);
  expect(holder + reader).toBeLessThanOrEqual(RELAY_BUDGET);
  expect(reader).toBeGreaterThan(6 * MIB);
  const all = divide(RELAY_BUDGET, [
    { bytes: 0, unread: RELAY_BUDGET },
    { bytes: 0, unread: 0 },
  ]);
  expect(all[1]).toBeGreaterThan(MIB);
});

test("streams that want little together ask for nothing, and those that want more for as much as gives it to them", () => {
  const asked = [0, MIB - 1, MIB, 3 * MIB, 4 * MIB, 100 * MIB].map((wanted) => demandOf(wanted, 0).bytes);
  expect(asked).toEqual([0, 0, 4 * MIB, 4 * MIB, MOST, MOST]);
});

test("ends of one token share what one identity gets, and are refused before they take from others", () => {
  const [share = 0] = divide(RELAY_BUDGET, wanting(0, 0, 0));
  let ends = 1;
  while (isSufficient(sharePerEnd(share, ends))) ends += 1;
  expect(ends).toBeLessThan(100);
});

test("a backlog is one for all lanes of an identity, and is over its bounds when they are together", () => {
  const backlogs = new IdentityBacklogs();
  const backlog = backlogs.of("visitor:1");
  backlog.bytes += RELAY_BUDGET;
  expect([backlog.isOverrun, backlog.blocksNewLanes]).toEqual([false, true]);
  backlogs.of("visitor:1").bytes += RELAY_BUDGET;
  expect([backlog.isOverrun, backlogs.of("visitor:2").isOverrun]).toEqual([true, false]);
  backlog.bytes = 0;
  backlogs.of("visitor:3");
  expect(backlogs.of("visitor:1")).not.toBe(backlog);
});

test("an agent that was away hears each cut once, and old ones never", () => {
  const store = new Map<string, string>();
  const cuts = (): Cuts => new Cuts({ get: (key) => store.get(key), put: (key, value) => void store.set(key, value) });
  const gone = () => undefined;
  const cut = { mapping: 7, code: "cut", reason: "removed" };
  cuts().add(cut, ["there"], 1_000);
  expect(cuts().missed("there", 2_000, gone)).toEqual([]);
  expect(cuts().missed("away", 2_000, gone)).toEqual([cut]);
  expect(cuts().missed("away", 3_000, gone)).toEqual([]);
  expect(cuts().missed("late", 1_000 + 2 * MAX_GRACE_MS, gone)).toEqual([]);
});

test("an agent that was away hears once of a narrower rule, as it is by then, and its lists are not kept", () => {
  const store = new Map<string, string>();
  const cuts = new Cuts({ get: (key) => store.get(key), put: (key, value) => void store.set(key, value) });
  const rule = { access: "public", allow: ["10.0.0.0/8"], deny: [], maxStreams: null } as const;
  const narrowed = { mapping: 7, narrowed: true, code: "cut", reason: "changed" };
  for (let at = 1; at <= 5; at += 1) cuts.add(narrowed, ["there"], at);
  expect(store.get("cuts")).not.toContain("10.0.0.0");
  const now = { ...rule, allow: [...rule.allow], deny: [] };
  expect(cuts.missed("there", 10, () => now)).toEqual([]);
  expect(cuts.missed("away", 10, () => now)).toEqual([{ mapping: 7, code: "cut", reason: "changed", keep: now }]);
  expect(cuts.missed("away", 11, () => now)).toEqual([]);
  expect(cuts.missed("other", 11, () => undefined)).toEqual([]);
  expect(cuts.has(7, 11)).toBe(false);
});
