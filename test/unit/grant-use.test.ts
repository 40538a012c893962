import { expect, test } from "vitest";
import {
  addGrant,
  grantAt,
  GrantRequest,
  SECOND_ADDRESS_MS,
  useGrant,
  type GrantVisitor,
} from "../../edge/registry/grant-changes.ts";
import { addMapping } from "../../edge/registry/mapping-changes.ts";
import { addSite } from "../../edge/registry/site-changes.ts";
import { Store } from "../../edge/registry/store.ts";
import type { Outcome } from "../../edge/problem.ts";
import { parseAddress } from "../../shared/address/address.ts";
import { sqlStore } from "../support/sql.ts";
import { good } from "./parsed.ts";

const NOW = Date.UTC(2026, 10, 22);
const LINK = "1".repeat(64);
const OWN = "a".repeat(64);
const OTHER = "b".repeat(64);
const V4 = "203.0.113.9";
const V6 = "2001:db8:1:2::9";

/** Each line: what comes after the first use, by which address, with what the first browser was given or not, how much later; and whether it is let in. */
test.each<[string, string, string | undefined, number, boolean]>([
  ["its own address again", V4, undefined, 1, true],
  ["its own address again, an hour later", V4, undefined, 3600_000, true],
  ["its own address by another name", `::ffff:${V4}`, undefined, 1, true],
  ["its address of the other version", V6, OWN, 1, true],
  ["its address of the other version, at the last moment", V6, OWN, SECOND_ADDRESS_MS - 1, true],
  ["its address of the other version, too late", V6, OWN, SECOND_ADDRESS_MS, false],
  ["another person by the other version", V6, undefined, 1, false],
  ["another person who makes something up", V6, OTHER, 1, false],
  ["another person by the same version", "203.0.113.10", undefined, 1, false],
  ["itself on another network", "203.0.113.10", OWN, 1, false],
  ["a disguise of its own address", "64:ff9b::cb00:7109", undefined, 1, false],
])("a used link, and %s", (_, address, browser, later, isIn) => {
  const { store, use } = granted();
  expect(use(visitor(V4), NOW)).toMatchObject({ isFirst: true, grant: { addresses: [V4] } });
  const comes = visitor(address, browser);
  const offered = grantAt(store, LINK, comes, NOW + later);
  const used = use(comes, NOW + later);
  expect([offered !== undefined, used !== undefined, used?.isFirst ?? false]).toEqual([isIn, isIn, false]);
});

test("it is two addresses at most, however often its browser comes", () => {
  const { use } = granted();
  use(visitor(V6), NOW);
  expect(use(visitor(V4, OWN), NOW + 1)).toMatchObject({ grant: { addresses: [V4, V6] } });
  for (const address of ["203.0.113.10", "2001:db8:9:9::1"])
    expect(use(visitor(address, OWN), NOW + 2)).toBeUndefined();
  expect(use(visitor(V6), NOW + 3)).toMatchObject({ grant: { addresses: [V4, V6] }, isFirst: false });
});

test("behind a translator, where everybody has one /64, another address is another person", () => {
  const { use } = granted();
  use(visitor("64:ff9b::cb00:7109"), NOW);
  expect(use(visitor("64:ff9b::cb00:710a"), NOW + 1)).toBeUndefined();
});

test("a link that was used before its browser was given anything admits no further address", () => {
  const { store, storage, use } = granted();
  storage.sql.exec("UPDATE grants SET ipv4 = ? RETURNING id", V4);
  expect(use(visitor(V6), NOW)).toBeUndefined();
  expect(use(visitor(V6, OWN), NOW)).toBeUndefined();
  expect(grantAt(store, LINK, visitor(V4), NOW)).toMatchObject({ isLearned: true });
});

test("a grant that can't be read admits to nothing and hinders no other", () => {
  const { store, storage } = granted();
  storage.sql.exec("UPDATE grants SET mappings = '5', ipv4 = 'x' RETURNING id, until", ...[]);
  expect(store.grants.live(NOW)).toMatchObject([{ mappings: [] }]);
  expect(grantAt(store, LINK, visitor(V4), NOW)).toBeUndefined();
});

test.each([
  [{ to: "Ann's phone" }, true],
  [{ to: "two\nlines" }, false],
  [{ to: "\u001b[2J" }, false],
  [{ to: "x".repeat(101) }, false],
])("a grant for %j: %s", (changes, isGood) => {
  expect(GrantRequest.safeParse({ endpoints: ["8080/tcp"], life: 60, ...changes }).success).toBe(isGood);
});

/** A register with one mapping and one grant for it, whose link hashes to LINK. */
function granted() {
  const storage = sqlStore();
  const store = new Store(storage);
  const by = { name: "admin", from: "", now: NOW };
  value(addSite(store, "lab", by));
  const rule = { endpoint: "8080/tcp", site: "lab", target: "10.0.0.5:80" };
  value(addMapping(store, { SELF_HOSTED: "1", TCP_PORTS: "8080" }, rule, by));
  value(addGrant(store, { endpoints: ["8080/tcp"], life: 24 * 3600 }, LINK, by));
  const use = (comes: GrantVisitor, now: number) => useGrant(store, LINK, comes, OWN, now);
  return { store, storage, use };
}

function visitor(address: string, browser?: string): GrantVisitor {
  return { address: good(parseAddress(address)), browser };
}

function value<T>(outcome: Outcome<T>): T {
  if (outcome.ok) return outcome.value;
  throw new Error(`${outcome.problem.code}: ${outcome.problem.detail}`);
}
