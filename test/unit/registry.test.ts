import { expect, test } from "vitest";
import type { Actor } from "../../edge/registry/actor.ts";
import { retentionOf, DEFAULT_RETENTION } from "../../edge/registry/retention.ts";
import { login } from "../../edge/registry/login.ts";
import { addMapping, changeMapping, findMapping, removeMapping } from "../../edge/registry/mapping-changes.ts";
import { LoginPenalties } from "../../edge/registry/login-penalties.ts";
import { RulePush } from "../../edge/registry/rule-push.ts";
import { addSite, removeSite } from "../../edge/registry/site-changes.ts";
import { Store } from "../../edge/registry/store.ts";
import { issueToken, revokeToken, type Issued } from "../../edge/registry/token-changes.ts";
import type { ConnectionRecord, SiteRules, Trust } from "../../edge/registry/types.ts";
import { Rules } from "../../edge/relay/site/rules.ts";
import { verifyToken } from "../../edge/tokens.ts";
import type { Outcome } from "../../edge/problem.ts";
import { relayMemory } from "../support/relay-memory.ts";
import { sqlStore } from "../support/sql.ts";

const NOW = Date.UTC(2026, 10, 22);
const DAY = 24 * 3600_000;
const URL = "https://edge.example";
const HELD = { SELF_HOSTED: "1", TCP_PORTS: "1-65535" };

test("tables are made once, and found again", () => {
  const storage = sqlStore();
  addSite(new Store(storage), "lab", by());
  expect(new Store(storage).sites.list()).toMatchObject([{ name: "lab", relay: "lab#1", relaySeen: false }]);
});

test("every change of a site's rules moves its revision, and no other's", () => {
  const store = register("lab", "shop");
  const revisions = () => store.sites.list().map(({ revision }) => revision);
  const seen = [revisions()];
  for (const change of [
    () => addMapping(store, HELD, rule("8080/tcp"), by()),
    () => changeMapping(store, HELD, "8080/tcp", { note: "x" }, by()),
    () => removeMapping(store, "8080/tcp", by()),
  ]) {
    value(change());
    seen.push(revisions());
  }
  expect(seen).toEqual([
    [1, 1],
    [2, 1],
    [3, 1],
    [4, 1],
  ]);
});

test("a refused change changes nothing", () => {
  const store = register("lab");
  value(addMapping(store, HELD, rule("8080/tcp"), by()));
  const before = JSON.stringify([store.sites.list(), store.mappings.list(), store.journal.audits(10)]);
  expect(addMapping(store, HELD, rule("8080/tcp"), by()).ok).toBe(false);
  expect(addMapping(store, HELD, { ...rule("8081/tcp"), site: "nowhere" }, by()).ok).toBe(false);
  expect(changeMapping(store, HELD, "8080/tcp", { endpoint: "8080" }, by()).ok).toBe(false);
  expect(JSON.stringify([store.sites.list(), store.mappings.list(), store.journal.audits(10)])).toBe(before);
});

test("a mapping is found by any spelling of its endpoint, and a part of a range points to the whole", () => {
  const store = register("lab");
  value(addMapping(store, HELD, { ...rule("8090-8099/tcp"), target: "10.0.0.5:8090" }, by()));
  expect(findMapping(store, "8090-8099/tcp")).toMatchObject({ ok: true, value: { id: 1 } });
  expect(findMapping(store, "8095/tcp")).toMatchObject({
    ok: false,
    problem: { status: 404, fix: expect.stringContaining("8090-8099/tcp") },
  });
  expect([8089, 8090, 8099, 8100].map((port) => store.mappings.byPort(port, "tcp")?.id)).toEqual([
    undefined,
    1,
    1,
    undefined,
  ]);
  expect(store.mappings.byPort(8090, "udp")).toBeUndefined();
});

test("an edited mapping keeps its id, holds its new ports and lets go of the old", () => {
  const store = register("lab");
  value(addMapping(store, HELD, rule("8080/tcp"), by("ann")));
  const edited = value(
    changeMapping(store, HELD, "8080/tcp", { endpoint: "9090/tcp", owner: "Ben" }, by("ben", NOW + 5)),
  );
  expect(edited).toMatchObject({
    id: 1,
    endpoint: "9090/tcp",
    owner: "Ben",
    created: { by: "ann", at: NOW },
    changed: { by: "ben", at: NOW + 5 },
  });
  expect(store.mappings.list()).toEqual([edited]);
  expect([8080, 9090].map((port) => store.mappings.byPort(port, "tcp")?.id)).toEqual([undefined, 1]);
});

test("a rule with a field that only a newer Worker knows is out of force, the others stay", () => {
  const storage = sqlStore();
  const store = new Store(storage);
  addSite(store, "lab", by());
  value(addMapping(store, HELD, rule("8080/tcp"), by()));
  value(addMapping(store, HELD, rule("8081/tcp"), by()));
  storage.sql.exec("UPDATE mappings SET rule = json_set(rule, '$.onlyOnSundays', json('true')) WHERE id = ?", 1);
  expect(store.mappings.list()).toMatchObject([{ id: 2 }]);
  expect(store.mappings.byPort(8080, "tcp")).toBeUndefined();
});

test("a rule that can't be read is named, keeps its endpoint, and can be removed", () => {
  const storage = sqlStore();
  const store = new Store(storage);
  addSite(store, "lab", by());
  value(addMapping(store, HELD, rule("8080/tcp"), by()));
  // As if an older grammar had been wider.
  storage.sql.exec("UPDATE mappings SET endpoint = '8080/TCP!', rule = json_set(rule, '$.endpoint', '8080/TCP!')");
  expect(store.mappings.unreadable()).toMatchObject([{ id: 1, endpoint: "8080/TCP!", site: "lab" }]);
  expect(findMapping(store, "8080/tcp").ok).toBe(false);
  storage.sql.exec("UPDATE mappings SET endpoint = '8080/tcp'");
  expect(addMapping(store, HELD, rule("8080/tcp"), by())).toMatchObject({
    ok: false,
    problem: { code: "conflict", detail: expect.stringContaining("mapping 1, which this version can't read") },
  });
  expect(removeMapping(store, "8080/tcp", by())).toEqual({ ok: true, value: null });
  expect(addMapping(store, HELD, rule("8080/tcp"), by())).toMatchObject({ ok: true, value: { id: 2 } });
});

test("a relay goes on with the rules it can read, with the defaults of what was added since", () => {
  const { sql } = sqlStore();
  const [good, bad] = [1, 2].map((id) => {
    const draft = value(addMapping(register("lab"), HELD, rule("8080/tcp"), by()));
    return { ...draft, id, endpoint: `808${id}/tcp` };
  });
  const { maxStreams: _, ...older } = good ?? {};
  const kept = {
    site: "lab",
    revision: 3,
    grants: [],
    revoked: [],
    mappings: [older, { ...bad, target: "10.0.0.5:?" }],
  };
  const memory = relayMemory(sql).live();
  memory.put("rules", JSON.stringify(kept));
  const rules = new Rules(memory);
  const mappings = rules.current.mappings.map(({ mapping }) => mapping);
  expect(mappings).toMatchObject([{ id: 1, maxStreams: null }]);
  expect(rules.at("8081/tcp")?.mapping.id).toBe(1);
  expect(rules.byId(2)).toBeUndefined();
  expect(rules.replace({ ...rules.current, mappings, revision: 4 })).toMatchObject({ removed: [] });
});

test("a key signs for three months, and verifies as long as anything it signed could matter", async () => {
  const store = register("lab");
  const first = await issue(store, { kind: "agent", site: "lab", local: true }, NOW);
  const second = await issue(store, { kind: "admin" }, NOW + 89 * DAY);
  const third = await issue(store, { kind: "admin" }, NOW + 91 * DAY);
  expect(store.keys.verifying()).toHaveLength(2);
  expect([first, second, third].map((token) => keyOf(token.token))).toEqual([
    keyOf(first.token),
    keyOf(first.token),
    store.keys.verifying()[0]?.kid,
  ]);
  expect(await verifyToken(first.token, "agent", trustOf(store), NOW + 91 * DAY)).toMatchObject({ ok: true });

  // A year on the agent's token is over, but not yet past renewal; then nothing needs the first key any more.
  await issue(store, { kind: "admin" }, NOW + 366 * DAY);
  expect(store.keys.verifying().map(({ kid }) => kid)).toContain(keyOf(first.token));
  expect(await verifyToken(first.token, "agent", trustOf(store), NOW + 366 * DAY, true)).toMatchObject({ ok: true });
  await issue(store, { kind: "admin" }, NOW + 396 * DAY);
  expect(store.keys.verifying().map(({ kid }) => kid)).not.toContain(keyOf(first.token));
  expect(store.tokens.state(first.jti)).toBe("unknown");
});

test("a site is told of revoked tokens that might be shown there, and of no others", async () => {
  const store = register("lab", "shop");
  const agent = await issue(store, { kind: "agent", site: "lab", local: true });
  const other = await issue(store, { kind: "agent", site: "shop", local: true });
  const visitor = await issue(store, { kind: "visitor", endpoints: ["lab/ssh"], life: 3600 });
  const admin = await issue(store, { kind: "admin" });
  for (const { jti } of [agent, other, visitor, admin]) value(revokeToken(store, jti, by()));
  expect(store.tokens.revokedAt("lab", NOW).toSorted()).toEqual([agent.jti, visitor.jti].toSorted());
  expect(store.tokens.revokedAt("lab", NOW + 32 * DAY)).toEqual([agent.jti]);
  expect([agent, admin].map(({ jti }) => store.tokens.state(jti))).toEqual(["revoked", "revoked"]);
});

test("a loopback URL is refused for agents elsewhere", async () => {
  const store = register("lab");
  const request = { kind: "agent" as const, site: "lab" };
  for (const url of ["http://127.0.0.1:8787", "http://localhost:8787", "https://[::1]"]) {
    expect(await issueToken(store, url, request, by())).toMatchObject({
      ok: false,
      problem: { status: 422, code: "url-loopback" },
    });
    expect(await issueToken(store, url, { ...request, local: true }, by())).toMatchObject({ ok: true });
  }
  expect(await issueToken(store, URL, request, by())).toMatchObject({ ok: true });
});

test("the first login gives the edge its URL, a fixed one comes first, former ones stay", async () => {
  const store = register();
  const secret = "correct horse battery";
  const enter = (url: string) =>
    login(store, new LoginPenalties(), secret, { secret, url, source: "192.0.2.1", from: "192.0.2.1" }, NOW);
  expect(await enter("http://127.0.0.1:8787/")).toMatchObject({ ok: true, value: { url: "http://127.0.0.1:8787" } });
  expect(await enter("https://other.example")).toMatchObject({ ok: true, value: { url: "http://127.0.0.1:8787" } });
  store.urls.adopt(URL, NOW);
  store.urls.adopt(URL, NOW);
  expect(store.urls.list()).toEqual([URL, "http://127.0.0.1:8787"]);
  store.urls.adopt("http://127.0.0.1:8787", NOW);
  expect(store.urls.list()).toEqual(["http://127.0.0.1:8787", URL]);
});

test("a site that comes back has another relay, and a revision that went on", async () => {
  const store = register("lab");
  const { jti } = await issue(store, { kind: "agent", site: "lab", local: true });
  store.sites.markSeen("lab", "lab#1");
  expect(value(removeSite(store, "lab", by()))).toEqual({ name: "lab", revoked: [jti] });
  expect(store.sites.find("lab")).toBeUndefined();
  value(addSite(store, "lab", by()));
  expect(store.sites.find("lab")).toMatchObject({ relay: "lab#2", relaySeen: false, revision: 3 });
  // The old relay's late word about itself is not about the new one.
  store.sites.markSeen("lab", "lab#1");
  expect(store.sites.find("lab")).toMatchObject({ relaySeen: false });
});

test("changes reach relays that are in use, and no others", async () => {
  const store = register("lab", "shop");
  store.sites.markSeen("lab", "lab#1");
  const { relays, pushed } = relaysOf(store);
  value(addMapping(store, HELD, rule("8080/tcp"), by()));
  value(addMapping(store, HELD, { ...rule("8081/tcp"), site: "shop" }, by()));
  await relays.pushAll(NOW);
  await relays.pushAll(NOW);
  expect(pushed).toMatchObject([["lab#1", { site: "lab", revision: 2, mappings: [{ endpoint: "8080/tcp" }] }]]);
});

test("a relay that can't be reached is tried again, ever later, until it has the newest rules", async () => {
  const store = register("lab");
  store.sites.markSeen("lab", "lab#1");
  const { relays, pushed, retries, fail } = relaysOf(store);
  fail(true);
  value(addMapping(store, HELD, rule("8080/tcp"), by()));
  for (const at of [0, 1, 2]) await relays.pushAll(NOW + at);
  value(removeMapping(store, "8080/tcp", by()));
  fail(false);
  await relays.pushAll(NOW + 3);
  await relays.pushAll(NOW + 4);
  expect(retries).toEqual([NOW + 1_000, NOW + 1 + 2_000, NOW + 2 + 4_000]);
  expect(pushed).toMatchObject([["lab#1", { revision: 3, mappings: [] }]]);
});

test("the relay of a removed site hears that nothing is allowed any more", async () => {
  const store = register("lab");
  const { jti } = await issue(store, { kind: "agent", site: "lab", local: true });
  store.sites.markSeen("lab", "lab#1");
  const { relays, pushed } = relaysOf(store);
  value(removeSite(store, "lab", by()));
  await relays.pushAll(NOW);
  expect(pushed).toMatchObject([["lab#1", { mappings: [], revoked: [jti] }]]);
});

test("the journal keeps the last connections, so many as it is told, and the last refusal of each mapping", () => {
  const { journal } = new Store(sqlStore(), { ...DEFAULT_RETENTION, connections: 1_000 });
  journal.record([connection(0, { mapping: 7, outcome: "refused", code: "denied" })], NOW);
  journal.record(
    Array.from({ length: 600 }, (_, index) => connection(index + 1, { mapping: 8 })),
    NOW,
  );
  journal.record(
    [connection(601, { mapping: 8, outcome: "refused", code: "no-agent", reason: "x".repeat(10_000) })],
    NOW,
  );
  expect(journal.connections.refusals().map(({ mapping, code }) => [mapping, code])).toEqual([
    [7, "denied"],
    [8, "no-agent"],
  ]);
  journal.record(
    Array.from({ length: 600 }, (_, index) => connection(index + 602)),
    NOW,
  );
  const kept = journal.connections.page(5_000, undefined, {});
  expect(kept).toHaveLength(1_000);
  // What is many makes room, and what is rare stays: both refusals, and the last 499 of either mapping.
  expect(kept.map(({ at }) => at).slice(0, 2)).toEqual([0, 102]);
  expect([kept.filter(({ mapping }) => mapping === 8).length, kept.at(-1)?.at]).toEqual([500, 1201]);
  expect(journal.connections.page(2, undefined, {}).map(({ at }) => at)).toEqual([1200, 1201]);
  expect(Math.max(...kept.map(({ reason }) => reason.length))).toBe(300);
});

test("what is older than it may be is forgotten, of the log and of the audit", () => {
  const store = new Store(sqlStore(), { connections: 100, audit: 100, days: 30 });
  const { journal } = store;
  value(addSite(store, "lab", by("ann", NOW)));
  value(addSite(store, "shop", by("ann", NOW + 20 * DAY)));
  for (const day of [0, 10, 20]) journal.record([connection(NOW + day * DAY)], NOW + day * DAY);
  const left = (day: number) => {
    journal.prune(NOW + day * DAY);
    return [
      journal.connections.page(9, undefined, {}).map(({ at }) => (at - NOW) / DAY),
      journal.audits(9).map(({ subject }) => subject),
    ];
  };
  expect(left(29)).toEqual([
    [0, 10, 20],
    ["lab", "shop"],
  ]);
  expect(left(41)).toEqual([[20], ["shop"]]);
  expect(left(100)).toEqual([[], []]);
});

test.each([
  [{}, DEFAULT_RETENTION],
  [
    { LOG_KEEP: "50", AUDIT_KEEP: "60", KEEP_DAYS: "90" },
    { connections: 50, audit: 60, days: 90 },
  ],
  [{ LOG_KEEP: "0", AUDIT_KEEP: "-1", KEEP_DAYS: "x" }, DEFAULT_RETENTION],
  [
    { LOG_KEEP: "999999999", KEEP_DAYS: "99999" },
    { connections: 1_000_000, audit: 10_000, days: 3_650 },
  ],
])("an edge told %o keeps %o", (told, kept) => {
  expect(retentionOf(told)).toEqual(kept);
});

test("pages of connections that fit join up, and nothing else is on them", () => {
  const { journal } = register();
  const outcomes = ["done", "refused", "cut"] as const;
  journal.record(
    Array.from({ length: 3_000 }, (_, index) =>
      connection(index, {
        outcome: outcomes[index % 3] ?? "done",
        site: index % 2 === 0 ? "lab" : "shop",
        endpoint: index % 5 === 0 ? "8081/tcp" : "8080/tcp",
        visitor: `192.0.2.${index % 7}:9`,
      }),
    ),
    NOW,
  );
  const filter = {
    since: 500,
    outcome: "refused",
    site: "lab",
    endpoint: "8081/tcp",
    visitor: "192.0.2.0/30",
  } as const;
  const wanted = Array.from({ length: 3_000 }, (_, index) => index).filter(
    (index) => index >= 500 && index % 3 === 1 && index % 2 === 0 && index % 5 === 0 && index % 7 < 4,
  );
  expect(wanted.length).toBeGreaterThan(20);
  const found: number[] = [];
  for (let before: number | undefined; ;) {
    const page = journal.connections.page(7, before, filter);
    found.unshift(...page.map(({ at }) => at));
    if (page.length < 7) break;
    before = page[0]?.n;
  }
  expect(found).toEqual(wanted);
});

test("who changed what is written down", async () => {
  const store = register("lab");
  value(addMapping(store, HELD, rule("8080/tcp"), by("ann")));
  const { jti } = await issue(store, { kind: "agent", site: "lab", local: true });
  value(revokeToken(store, jti, by("ben")));
  value(removeMapping(store, "8080/tcp", by("ben")));
  expect(new Set(store.journal.audits(10).map(({ from }) => from))).toEqual(new Set(["192.0.2.9"]));
  expect(store.journal.audits(10).map(({ actor, action, subject }) => [actor, action, subject])).toEqual([
    ["admin", "site add", "lab"],
    ["ann", "map add", "8080/tcp"],
    ["admin", "token agent", jti],
    ["ben", "token revoke", jti],
    ["ben", "map rm", "8080/tcp"],
  ]);
});

function register(...sites: string[]): Store {
  const store = new Store(sqlStore());
  for (const site of sites) value(addSite(store, site, by()));
  return store;
}

function by(name = "admin", now = NOW): Actor {
  return { name, from: "192.0.2.9", now };
}

function rule(endpoint: string) {
  return { endpoint, site: "lab", target: "10.0.0.5:80" };
}

async function issue(store: Store, request: Parameters<typeof issueToken>[2], now = NOW): Promise<Issued> {
  return value(await issueToken(store, URL, request, by("admin", now)));
}

function trustOf(store: Store): Trust {
  return { keys: store.keys.verifying(), issuers: [URL] };
}

function keyOf(token: string): unknown {
  const header: unknown = JSON.parse(Buffer.from(token.split(".")[0] ?? "", "base64url").toString());
  return (header as { kid?: unknown }).kid;
}

function relaysOf(store: Store) {
  const pushed: [string, SiteRules][] = [];
  const retries: number[] = [];
  let failing = false;
  const push = async (relay: string, rules: SiteRules) => {
    if (failing) throw new Error("out of reach");
    pushed.push([relay, rules]);
  };
  const relays = new RulePush(store, push, async (time) => void retries.push(time));
  return { relays, pushed, retries, fail: (now: boolean) => (failing = now) };
}

function connection(at: number, changes: Partial<ConnectionRecord> = {}): ConnectionRecord {
  return {
    at,
    ended: at,
    site: "lab",
    mapping: null,
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

function value<T>(outcome: Outcome<T>): T {
  if (outcome.ok) return outcome.value;
  throw new Error(`${outcome.problem.code}: ${outcome.problem.detail}`);
}
