import fc from "fast-check";
import { expect, test } from "vitest";
import type { Actor } from "../../edge/registry/actor.ts";
import type { Journal } from "../../edge/registry/journal.ts";
import { fairShares } from "../../edge/registry/fair-shares.ts";
import { RefusedLogins } from "../../edge/registry/refused-logins.ts";
import { DEFAULT_RETENTION, type Retention } from "../../edge/registry/retention.ts";
import { Store } from "../../edge/registry/store.ts";
import type { ConnectionRecord } from "../../edge/registry/types.ts";
import { JournalQueue } from "../../edge/journal-queue.ts";
import { sqlStore } from "../support/sql.ts";

const NOW = Date.UTC(2026, 10, 22);
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

test("places are divided so that nobody loses one to a group that has more", () => {
  const sizes = fc.array(fc.nat(1_000), { maxLength: 30 });
  fc.assert(
    fc.property(sizes, fc.nat(5_000), (given, most) => {
      const kept = fairShares(given, most);
      const total = given.reduce((sum, size) => sum + size, 0);
      expect(kept.reduce((sum, share) => sum + share, 0)).toBe(Math.min(total, most));
      expect(kept.every((share, index) => share >= 0 && share <= (given[index] ?? 0))).toBe(true);
      // Who has lost something has no less than anybody else keeps, but for what can't be divided.
      const highest = Math.max(0, ...kept);
      for (const [index, share] of kept.entries())
        if (share < (given[index] ?? 0)) expect(share).toBeGreaterThanOrEqual(highest - 1);
    }),
  );
});

test.each<[string, Actor]>([
  ["a read-only token", narrow("admin:reader")],
  ["an agent", narrow("agent:lab:1")],
  ["a stranger", { name: "login", from: "198.51.100.1", payer: "login 198.51.100.1", now: NOW }],
])("whatever %s makes the edge write down pushes out nothing but what it wrote before", (_, actor) => {
  const journal = journalOf({ audit: 100 });
  for (let n = 0; n < 100; n += 1) journal.audit(admin("ann"), "map edit", `${n}/tcp`);
  for (let n = 0; n < 20; n += 1) journal.audit(narrow("agent:shop:2"), "map add", `shop/${n}`);
  for (let n = 0; n < 10_000; n += 1) journal.audit(actor, "map add", `lab/${n}`);
  journal.prune(NOW);
  const kept = journal.audits(1_000);
  const of = (name: string) => kept.filter((entry) => entry.actor === name).map(({ subject }) => subject);
  expect(of("ann")).toEqual(Array.from({ length: 100 }, (__, n) => `${n}/tcp`));
  expect(of("agent:shop:2")).toHaveLength(20);
  expect(of(actor.name)).toEqual(Array.from({ length: 80 }, (__, n) => `lab/${9_920 + n}`));
});

test("of changes, so many are kept as the edge was told, the last ones", () => {
  const journal = journalOf({ audit: 100 });
  for (let n = 0; n < 320; n += 1) journal.audit(admin("ann"), "map edit", `${n}/tcp`);
  // It looks now and then alone; whoever reads is never shown more.
  expect(journal.audits(1_000).length).toBeLessThan(150);
  journal.prune(NOW);
  expect(journal.audits(1_000).map(({ subject }) => subject)).toEqual(
    Array.from({ length: 100 }, (_, n) => `${220 + n}/tcp`),
  );
});

test("what is done again within an hour is counted, by whom, what and from where; what changes something is told each time", () => {
  const journal = journalOf();
  const at = (minutes: number, name = "admin:1", from = "192.0.2.1"): Actor => ({
    name,
    from,
    now: NOW + minutes * MINUTE,
  });
  journal.auditRepeatable(at(0), "session open", "jti 1");
  journal.auditRepeatable(at(10), "session open", "jti 2");
  journal.audit(at(11), "map add", "8080/tcp");
  journal.auditRepeatable(at(12), "export", "registry");
  journal.auditRepeatable(at(20, "admin:2"), "session open", "jti 3");
  journal.auditRepeatable(at(30, "admin:1", "192.0.2.2"), "session open", "jti 4");
  journal.auditRepeatable(at(59), "session open", "jti 5", "the last");
  journal.auditRepeatable(at(60), "session open", "jti 6");
  journal.audit(at(61), "map add", "8080/tcp");
  expect(
    journal
      .audits(10)
      .map(({ at: first, last, count, action, subject }) => [
        (first - NOW) / MINUTE,
        (last - NOW) / MINUTE,
        count,
        action,
        subject,
      ]),
  ).toEqual([
    [0, 59, 3, "session open", "jti 5"],
    [11, 11, 1, "map add", "8080/tcp"],
    [12, 12, 1, "export", "registry"],
    [20, 20, 1, "session open", "jti 3"],
    [30, 30, 1, "session open", "jti 4"],
    [60, 60, 1, "session open", "jti 6"],
    [61, 61, 1, "map add", "8080/tcp"],
  ]);
  // It is looked for by when it last was.
  expect(
    journal.auditPage({ limit: 9, since: NOW + 50 * MINUTE, action: "session" }).map(({ subject }) => subject),
  ).toEqual(["jti 5", "jti 6"]);
});

test("what is counted is as old as its last", () => {
  const journal = journalOf({ days: 30 });
  journal.auditRepeatable({ ...admin("ann"), now: NOW }, "export", "registry");
  journal.audit({ ...admin("ann"), now: NOW }, "site add", "lab");
  journal.auditRepeatable({ ...admin("ann"), now: NOW + 30 * MINUTE }, "export", "registry");
  journal.prune(NOW + 30 * DAY + 10 * MINUTE);
  expect(journal.audits(9).map(({ action }) => action)).toEqual(["export"]);
  journal.prune(NOW + 31 * DAY);
  expect(journal.audits(9)).toEqual([]);
});

test("addresses are forgotten in time though nobody reads the audit", () => {
  const journal = journalOf({ days: 30 });
  journal.audit({ ...admin("ann"), now: NOW }, "site add", "lab");
  journal.record([], NOW + 31 * DAY);
  expect(journal.audits(9)).toEqual([]);
});

test("refused logins are an entry for each source and hour, with their number; of many sources, most are one", () => {
  const store = new Store(sqlStore());
  const refused = new RefusedLogins(store, false);
  expect(refused.hasPending).toBe(false);
  const tries = (source: string, count: number, now: number): boolean[] =>
    Array.from({ length: count }, () => refused.add({ source, reason: "not the admin secret" }, now));
  expect(tries("192.0.2.1", 3, NOW)).toEqual([true, false, false]);
  expect(store.journal.audits(9)).toEqual([]);
  refused.write(NOW);
  expect(refused.hasPending).toBe(false);
  for (let n = 0; n < 500; n += 1) tries(`2001:db8:0:${n.toString(16)}::/64`, 2, NOW + MINUTE);
  refused.write(NOW + MINUTE);
  tries("192.0.2.1", 1, NOW + 2 * MINUTE);
  refused.write(NOW + 2 * MINUTE);
  const entries = store.journal.audits(100);
  expect(entries).toHaveLength(21);
  expect(entries[0]).toMatchObject({ subject: "192.0.2.1", from: "192.0.2.1", count: 4, last: NOW + 2 * MINUTE });
  expect(entries[1]).toMatchObject({ subject: "2001:db8:0:0::/64", count: 2 });
  expect(entries.at(-1)).toMatchObject({
    actor: "login",
    action: "login refused",
    subject: "elsewhere",
    from: "",
    count: 962,
  });
  expect(store.webhookEvents.refusedTotal).toBe(1_004);
  // An hour later everybody has a name again.
  tries("2001:db8:0:1f3::/64", 1, NOW + HOUR + MINUTE);
  refused.write(NOW + HOUR + MINUTE);
  expect(store.journal.audits(1)).toMatchObject([{ subject: "2001:db8:0:1f3::/64", count: 1 }]);
});

test.each<[string, Partial<ConnectionRecord>]>([
  ["refused visitors", { outcome: "refused", code: "denied" }],
  ["visitors of another mapping", { mapping: 2 }],
  ["visitors of no mapping", { mapping: null, outcome: "refused" }],
  ["visitors of another site", { site: "shop", mapping: 3 }],
])("a flood of %s pushes out none of the others", (_, changes) => {
  const journal = journalOf({ connections: 1_000 });
  journal.record(
    Array.from({ length: 200 }, (__, n) => connection(n)),
    NOW,
  );
  for (let second = 0; second < 20; second += 1)
    journal.record(
      Array.from({ length: 500 }, () => connection(1_000 + second, changes)),
      NOW,
    );
  const kept = journal.connections.page(5_000, undefined, {});
  expect(kept.filter(({ at }) => at < 1_000)).toHaveLength(200);
  expect(kept).toHaveLength(1_000);
});

test("a site with one mapping keeps as much as one with a hundred", () => {
  const journal = journalOf({ connections: 1_000 });
  for (let mapping = 1; mapping <= 100; mapping += 1)
    journal.record(
      Array.from({ length: 50 }, (_, n) => connection(n, { mapping, site: "large" })),
      NOW,
    );
  journal.record(
    Array.from({ length: 800 }, (_, n) => connection(n, { mapping: 101, site: "small" })),
    NOW,
  );
  const kept = journal.connections.page(5_000, undefined, {});
  expect(kept.filter(({ site }) => site === "small")).toHaveLength(500);
  expect(new Set(kept.map(({ mapping }) => mapping)).size).toBe(101);
});

test("of connections on their way, those of the mapping that has most are dropped, and the rest stay in order", () => {
  const crowd = new JournalQueue(100);
  for (let n = 0; n < 30; n += 1) crowd.add(connection(n, { mapping: 1 + (n % 3) }));
  for (let n = 0; n < 1_000; n += 1) crowd.add(connection(100 + n, { mapping: 9 }));
  for (let n = 0; n < 30; n += 1) crowd.add(connection(2_000 + n, { mapping: 1 + (n % 3) }));
  expect(crowd.dropped).toBe(960);
  const records = crowd.take();
  expect(records.filter(({ mapping }) => mapping !== 9)).toHaveLength(60);
  expect(records.filter(({ mapping }) => mapping === 9).map(({ at }) => at)).toEqual(
    Array.from({ length: 40 }, (_, n) => 1_060 + n),
  );
  expect(records.map(({ at }) => at)).toEqual(records.map(({ at }) => at).toSorted((a, b) => a - b));
  expect(crowd.records).toEqual([]);
});

function journalOf(keep: Partial<Retention> = {}): Journal {
  return new Store(sqlStore(), { ...DEFAULT_RETENTION, ...keep }).journal;
}

function admin(name: string): Actor {
  return { name, from: "192.0.2.9", now: NOW };
}

/** Who may not change the register at large. */
function narrow(name: string): Actor {
  return { ...admin(name), payer: name };
}

function connection(at: number, changes: Partial<ConnectionRecord> = {}): ConnectionRecord {
  return {
    at,
    ended: at,
    site: "lab",
    mapping: 1,
    endpoint: "8080/tcp",
    target: "",
    visitor: "192.0.2.1:1",
    bytesIn: 0,
    bytesOut: 0,
    outcome: "done",
    code: "",
    reason: "",
    ...changes,
  };
}
