import { expect, test } from "vitest";
import { Accounts } from "../../edge/relay/accounts.ts";
import { isDecent, shareOf } from "../../edge/relay/budget.ts";
import { Cuts } from "../../edge/relay/cuts.ts";
import { MAX_GRACE_MS, RELAY_BUDGET } from "../../shared/limits.ts";

test("what all ends may grant together stays within the relay's budget, whoever has how many", () => {
  for (const ends of [[1], [1, 1], [1, 7], [3, 1, 1, 40], [64, 1], Array.from({ length: 200 }, () => 1)]) {
    const granted = ends.reduce((sum, each) => sum + each * shareOf(ends.length, each), 0);
    expect(granted).toBeLessThan(RELAY_BUDGET);
  }
});

test("ends of one token share what one identity gets, and are refused before they take from others", () => {
  let ends = 1;
  while (isDecent(shareOf(3, ends))) ends += 1;
  expect(ends).toBeLessThan(100);
  // With all of them there, another identity of the three gets what it got before.
  expect(shareOf(3, 1)).toBe(RELAY_BUDGET / 4);
});

test("an account is one for all lanes of an identity, and is over its bounds when they are together", () => {
  const accounts = new Accounts();
  const account = accounts.of("visitor:1");
  account.bytes += RELAY_BUDGET;
  expect([account.overrun, account.indebted]).toEqual([false, true]);
  accounts.of("visitor:1").bytes += RELAY_BUDGET;
  expect([account.overrun, accounts.of("visitor:2").overrun]).toEqual([true, false]);
  account.bytes = 0;
  accounts.of("visitor:3");
  expect(accounts.of("visitor:1")).not.toBe(account);
});

test("an agent that was away hears each cut once, and old ones never", () => {
  const store = new Map<string, string>();
  const cuts = (): Cuts => new Cuts({ get: (key) => store.get(key), put: (key, value) => void store.set(key, value) });
  const cut = { mapping: 7, code: "cut", reason: "removed" };
  cuts().add(cut, ["there"], 1_000);
  expect(cuts().missed("there", 2_000)).toEqual([]);
  expect(cuts().missed("away", 2_000)).toEqual([cut]);
  expect(cuts().missed("away", 3_000)).toEqual([]);
  expect(cuts().missed("late", 1_000 + 2 * MAX_GRACE_MS)).toEqual([]);
});
