import { expect, test } from "vitest";
import { Archive, exportArchive, importArchive } from "../../edge/registry/archive.ts";
import { addGrant, useGrant } from "../../edge/registry/grant-changes.ts";
import { addMapping, removeMapping } from "../../edge/registry/mapping-changes.ts";
import { addSite, removeSite } from "../../edge/registry/site-changes.ts";
import { Store } from "../../edge/registry/store.ts";
import { issueToken, revokeToken } from "../../edge/registry/token-changes.ts";
import type { Outcome } from "../../edge/problem.ts";
import { parseAddress } from "../../shared/address/address.ts";
import { sqlStore } from "../support/sql.ts";
import { good } from "./parsed.ts";

const NOW = Date.UTC(2026, 10, 22);
const URL = "https://edge.example";
const HELD = { SELF_HOSTED: "1", TCP_PORTS: "1-65535" };
const BY = { name: "admin:1", from: "192.0.2.9", now: NOW };

type Tables = Record<string, Record<string, unknown>[]>;

test("all that an edge has written down is taken by another one, and is the same there", async () => {
  const { document } = await full();
  const parsed = Archive.parse(JSON.parse(JSON.stringify(document)));
  const storage = sqlStore();
  expect(value(importArchive(new Store(storage), storage.sql, parsed, BY))).toEqual({
    sites: 1,
    mappings: 3,
    tokens: 4,
    grants: 1,
  });
  const again = exportArchive(storage.sql, NOW).tables;
  const known = ({ urls: _urls, audit: _audit, mappings, ...tables }: typeof again) => ({
    ...tables,
    mappings: mappings.map(({ rule, ...row }) => ({ ...row, rule: JSON.parse(rule) as unknown })),
  });
  expect(known(again)).toEqual(known(document.tables));
  const { audit } = document.tables;
  expect(again.audit.slice(0, audit.length)).toEqual(audit);
});

test("a document of a version that counted nothing is taken, too", async () => {
  const { document } = await full();
  const { vacated: _vacated, reassigned: _reassigned, ...tables } = document.tables;
  const audit = tables.audit.map(({ payer: _payer, count: _count, last: _last, ...row }) => row);
  const older = Archive.parse({ ...document, format: 1, tables: { ...tables, audit } });
  const storage = sqlStore();
  const store = new Store(storage);
  value(importArchive(store, storage.sql, older, BY));
  expect(store.journal.audits(99).slice(0, audit.length)).toMatchObject(
    audit.map(({ at }) => ({ at, last: at, count: 1 })),
  );
});

const RULE = { endpoint: "9000/tcp", site: "lab", target: "10.0.0.5:80" };

/** Each line: the table, what its first row is changed to, and what is said of it. */
test.each<[table: string, changes: Record<string, unknown>, said: string]>([
  ["urls", { url: "https://edge.example/" }, "urls.0.url"],
  ["urls", { url: "javascript:alert(1)" }, "urls.0.url"],
  ["keys", { jwk: "{}" }, "keys.0.jwk"],
  ["keys", { jwk: '{"kty":"OKP","crv":"Ed25519","x":"AAAA"}' }, "keys.0.jwk"],
  ["keys", { jwk: "x" }, "keys.0.jwk"],
  ["keys", { kid: "" }, "keys.0.kid"],
  ["sites", { name: "LAB" }, "sites.0.name"],
  ["sites", { name: "lab/x" }, "sites.0.name"],
  ["sites", { generation: 0 }, "sites.0.generation"],
  ["sites", { revision: 2 ** 53 - 1 }, "sites.0.revision"],
  ["sites", { created: 9e15 }, "sites.0.created"],
  ["sites", { created: -1 }, "sites.0.created"],
  ["sites", { removed: "no" }, "sites.0.removed"],
  ["sites", { more: 1 }, "sites.0"],
  ["mappings", { rule: "{" }, "mappings.0.rule"],
  ["mappings", { rule: "5" }, "mappings.0.rule"],
  ["mappings", { rule: "null" }, "mappings.0.rule"],
  ["mappings", { rule: JSON.stringify({ ...RULE, target: "10.0.0.5:?" }) }, "mappings.0.rule: mapping 1: target"],
  ["mappings", { rule: JSON.stringify({ ...RULE, onlyOnSundays: true }) }, "mappings.0.rule: mapping 1: "],
  ["mappings", { rule: JSON.stringify({ ...RULE, site: "nowhere" }) }, "mappings.0.rule: mapping 1: there is no site"],
  ["mappings", { rule: JSON.stringify({ ...RULE, site: "gone" }) }, "mappings.0.rule: mapping 1: there is no site"],
  [
    "mappings",
    { rule: JSON.stringify({ ...RULE, endpoint: "8081/tcp" }) },
    "mappings.1.rule: mapping 2: 8081-8089/tcp overlaps with mapping 1",
  ],
  ["mappings", { id: 2 }, "mappings.1.id: is a duplicate"],
  ["mappings", { id: 0 }, "mappings.0.id"],
  ["mappings", { id: 1.5 }, "mappings.0.id"],
  ["mappings", { created: 9e15 }, "mappings.0.created"],
  ["mappings", { created_by: null }, "mappings.0.created_by"],
  ["uses", { last: 9e15 }, "uses.0.last"],
  ["uses", { mapping: "1" }, "uses.0.mapping"],
  ["refused", { count: -1 }, "refused.0.count"],
  ["grants", { mappings: "5" }, "grants.0.mappings"],
  ["grants", { mappings: "{}" }, "grants.0.mappings"],
  ["grants", { mappings: "[]" }, "grants.0.mappings"],
  ["grants", { mappings: '["1"]' }, "grants.0.mappings"],
  ["grants", { mappings: "[1" }, "grants.0.mappings"],
  ["grants", { link: "the link itself" }, "grants.0.link"],
  ["grants", { until: 9e15 }, "grants.0.until"],
  ["grants", { ipv4: "203.0.113.009" }, "grants.0.ipv4"],
  ["grants", { ipv4: "2001:db8::1" }, "grants.0.ipv4"],
  ["grants", { ipv6: "203.0.113.9" }, "grants.0.ipv6"],
  ["grants", { ipv6: "2001:DB8::1" }, "grants.0.ipv6: must be written 2001:db8::1"],
  ["grants", { recipient: 5 }, "grants.0.recipient"],
  ["tokens", { claims: "5" }, "tokens.0.claims"],
  ["tokens", { claims: "{" }, "tokens.0.claims"],
  ["tokens", { claims: "{}" }, "tokens.0.claims"],
  ["tokens", { kind: "visitor" }, "tokens.0.claims"],
  ["tokens", { kind: "root" }, "tokens.0.kind"],
  ["tokens", { sub: "admin:other" }, "tokens.0.claims: sub is agent:lab:"],
  ["tokens", { site: "shop" }, "tokens.0.claims: site is lab in the claims, not shop"],
  ["tokens", { site: null }, "tokens.0.claims: site"],
  ["tokens", { expires: NOW + 1e12 }, "tokens.0.claims: expires"],
  ["tokens", { issued: 5 }, "tokens.0.claims: issued"],
  ["tokens", { jti: "0123456789abcdef" }, "tokens.0.claims: jti"],
  ["tokens", { revoked: true }, "tokens.0.revoked"],
  ["tokens", { revoked: 9e15 }, "tokens.0.revoked"],
  ["vacated", { endpoint: "8090/TCP" }, "vacated.0.endpoint"],
  ["vacated", { ended: 9e15 }, "vacated.0.ended"],
  ["reassigned", { since: -1 }, "reassigned.0.since"],
  ["spent", { bytes: -5 }, "spent.0.bytes"],
  ["usage", { day: "yesterday" }, "usage.0.day"],
  ["usage", { requests: "many" }, "usage.0.requests"],
  ["audit", { at: 9e15 }, "audit.0.at"],
  ["audit", { count: 0 }, "audit.0.count"],
  ["audit", { actor: "x".repeat(1_000) }, "audit.0.actor"],
])("of %s, %j is refused by its path", async (table, changes, said) => {
  const { document } = await full();
  const tables = structuredClone(document.tables) as unknown as Tables;
  Object.assign(tables[table]?.[0] ?? {}, changes);
  const parsed = Archive.safeParse({ ...document, tables });
  const [issue] = parsed.error?.issues ?? [];
  expect(`${issue?.path.join(".")}: ${issue?.message}`).toContain(`tables.${said}`);
});

test.each([
  "keys",
  "sites",
  "mappings",
  "vacated",
  "reassigned",
  "uses",
  "refused",
  "grants",
  "tokens",
  "spent",
  "usage",
])("a row of %s that is there twice is one too many", async (table) => {
  const { document } = await full();
  const tables = structuredClone(document.tables) as unknown as Tables;
  const rows = tables[table] ?? [];
  tables[table] = [...rows, { ...rows[0] }];
  const parsed = Archive.safeParse({ ...document, tables });
  expect(parsed.error?.issues.map(({ path, message }) => `${path.join(".")}: ${message}`)).toContainEqual(
    expect.stringMatching(new RegExp(`^tables\\.${table}\\.${rows.length}\\.\\w+: .*(duplicate|overlaps)`)),
  );
});

test("neither another document nor another table is taken", async () => {
  const { document } = await full();
  const { audit: _audit, ...fewer } = document.tables;
  for (const other of [
    5,
    {},
    { ...document, sallyport: "backup" },
    { ...document, format: 3 },
    { ...document, more: 1 },
    { ...document, tables: { ...document.tables, outbox: [] } },
    { ...document, tables: fewer },
  ])
    expect(Archive.safeParse(other).success).toBe(false);
});

/** An edge that has done a little of everything, and what it exports. */
async function full() {
  const storage = sqlStore();
  const store = new Store(storage);
  store.urls.adopt(URL, NOW);
  for (const site of ["lab", "gone"]) value(addSite(store, site, BY));
  value(removeSite(store, "gone", BY));
  for (const endpoint of ["8080/tcp", "8081-8089/tcp", "8090/tcp"])
    value(addMapping(store, HELD, { ...RULE, endpoint, target: "10.0.0.5:8081" }, BY));
  value(removeMapping(store, "8090/tcp", BY));
  value(addMapping(store, HELD, { ...RULE, endpoint: "8090/tcp" }, BY));
  value(addGrant(store, { endpoints: ["8080/tcp"], life: 3600, to: "Ann" }, "1".repeat(64), BY));
  for (const address of ["203.0.113.9", "2001:db8::1"])
    useGrant(store, "1".repeat(64), { address: good(parseAddress(address)), browser: "a" }, "a", NOW);
  const agent = value(await issueToken(store, URL, { kind: "agent", site: "lab" }, BY));
  for (const request of [{ kind: "gateway" as const }, { kind: "admin" as const }])
    value(await issueToken(store, URL, request, BY));
  const caps = { bytes: 1_000 };
  const { jti } = value(await issueToken(store, URL, { kind: "visitor", endpoints: ["lab/*"], caps }, BY));
  value(revokeToken(store, agent.jti, BY));
  store.tokenBytes.add({ jti, bytes: 5 });
  store.usage.add("lab", { requests: 1, messages: 2, activeMs: 3 }, NOW);
  const visit = {
    at: NOW,
    ended: NOW,
    site: "lab",
    endpoint: "8080/tcp",
    target: "",
    visitor: "",
    bytesIn: 0,
    bytesOut: 0,
  };
  store.journal.record(
    [
      { ...visit, mapping: 1, outcome: "done", code: "", reason: "" },
      { ...visit, mapping: 1, outcome: "refused", code: "denied", reason: "" },
      // One that ended when its mapping was gone.
      { ...visit, mapping: 3, outcome: "cut", code: "cut", reason: "" },
    ],
    NOW,
  );
  store.journal.auditRepeatable({ name: "admin:2", from: "", payer: "admin:2", now: NOW }, "export", "registry", "", 7);
  const document = exportArchive(storage.sql, NOW);
  return { document };
}

function value<T>(outcome: Outcome<T>): T {
  if (outcome.ok) return outcome.value;
  throw new Error(`${outcome.problem.code}: ${outcome.problem.detail}`);
}
