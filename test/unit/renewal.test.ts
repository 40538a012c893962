import { expect, test } from "vitest";
import { addSite } from "../../edge/registry/site-changes.ts";
import { Store } from "../../edge/registry/store.ts";
import { issueToken, renewToken, revokeToken, withdrawKey } from "../../edge/registry/token-changes.ts";
import { verifyToken } from "../../edge/tokens.ts";
import { parseClaims } from "../../shared/rule/claims.ts";
import { renewAt } from "../../shared/rule/token-life.ts";
import { decodeJwt } from "jose";
import { sqlStore } from "../support/sql.ts";

const START = Date.UTC(2026, 10, 22);
const DAY = 24 * 3600_000;
const URL = "https://edge.example";

test("a site that is looked after by nobody stays online for ten years, while keys come and go", async () => {
  const store = register();
  let token = await agentToken(store, START);
  const { sub } = decodeJwt(token);
  let renewals = 0;
  for (let now = START; now < START + 3650 * DAY; now += 5 * DAY) {
    const verified = await verifyToken(token, "agent", trustOf(store), now);
    expect({ day: (now - START) / DAY, ...verified }).toMatchObject({ ok: true, claims: { sub, site: "lab" } });
    if (!verified.ok || now < renewAt(verified.claims) * 1000) continue;
    const renewed = await renewToken(store, URL, verified.claims.jti, now);
    if (!renewed.ok) throw new Error(renewed.reason);
    // The old one stays good to its end: the answer may get lost.
    expect(await verifyToken(token, "agent", trustOf(store), now)).toMatchObject({ ok: true });
    token = renewed.token;
    renewals += 1;
  }
  expect(renewals).toBe(14);
  expect(store.tokens.list().length).toBeLessThan(4);
  expect(store.keys.verifying().length).toBeLessThan(8);
});

const REFUSED: readonly [name: string, days: number, code: string][] = [
  ["before two thirds of its life", 100, "early"],
  ["a month after its end", 366 + 30, "expired"],
];

test.each(REFUSED)("no renewal %s", async (_, days, code) => {
  const store = register();
  const { jti } = decodeJwt(await agentToken(store, START));
  expect(await renewToken(store, URL, String(jti), START + days * DAY)).toMatchObject({ ok: false, code });
});

test("renewal goes on for 30 days after the end, and names the URL of today", async () => {
  const store = register();
  const { jti } = decodeJwt(await agentToken(store, START));
  const renewed = await renewToken(store, "https://moved.example", String(jti), START + (365 + 29) * DAY);
  if (!renewed.ok) throw new Error(renewed.reason);
  expect(parseClaims("agent", decodeJwt(renewed.token))).toMatchObject({
    ok: true,
    value: { iss: "https://moved.example" },
  });
});

test("neither a revoked token nor any of its kin is renewed", async () => {
  const store = register();
  const { jti } = decodeJwt(await agentToken(store, START));
  const renewed = await renewToken(store, URL, String(jti), START + 300 * DAY);
  if (!renewed.ok) throw new Error(renewed.reason);
  revokeToken(store, String(jti), { name: "ann", from: "", now: START + 301 * DAY });
  for (const each of [String(jti), renewed.jti]) {
    expect(await renewToken(store, URL, each, START + 364 * DAY)).toMatchObject({ ok: false, code: "revoked" });
  }
});

test("visitors and administrators don't renew, and nobody renews without end", async () => {
  const store = register();
  const by = { name: "ann", from: "", now: START };
  const admin = await issueToken(store, URL, { kind: "admin", life: 1000 }, by);
  if (!admin.ok) throw new Error("not issued");
  expect(await renewToken(store, URL, admin.value.jti, START + 999_000)).toMatchObject({ ok: false });
  expect(await renewToken(store, URL, admin.value.jti, START + 1_001_000)).toMatchObject({
    ok: false,
    code: "expired",
  });
  const { jti } = decodeJwt(await agentToken(store, START));
  const codes = [];
  for (let turn = 0; turn < 9; turn += 1) codes.push(await renewToken(store, URL, String(jti), START + 300 * DAY));
  expect(codes.map(({ ok }) => ok)).toEqual([...Array<boolean>(8).fill(true), false]);
});

test("a withdrawn key signs and verifies nothing more, and what it signed is revoked", async () => {
  const store = register();
  const token = await agentToken(store, START);
  const [key = { kid: "" }] = store.keys.verifying();
  const other = await store.keys.rotate(START + 1);
  expect(await verifyToken(token, "agent", trustOf(store), START)).toMatchObject({ ok: true });
  const withdrawn = await withdrawKey(store, key.kid, { name: "ann", from: "", now: START + 2 });
  expect(withdrawn).toMatchObject({ ok: true, value: { revoked: [String(decodeJwt(token).jti)] } });
  expect(store.keys.verifying().map(({ kid }) => kid)).toEqual([other.kid]);
  expect(await verifyToken(token, "agent", trustOf(store), START)).toMatchObject({ ok: false, code: "token-invalid" });
  expect(await withdrawKey(store, other.kid, { name: "ann", from: "", now: START + 3 })).toMatchObject({ ok: true });
  expect(store.keys.verifying()).toHaveLength(1);
  expect(store.keys.verifying()[0]?.kid).not.toBe(other.kid);
});

function register(): Store {
  const store = new Store(sqlStore());
  store.urls.adopt(URL, START);
  store.urls.adopt("https://moved.example", START + 1);
  addSite(store, "lab", { name: "ann", from: "", now: START });
  return store;
}

function trustOf(store: Store) {
  return { keys: store.keys.verifying(), issuers: store.urls.list() };
}

async function agentToken(store: Store, now: number): Promise<string> {
  const issued = await issueToken(store, URL, { kind: "agent", site: "lab" }, { name: "ann", from: "", now });
  if (!issued.ok) throw new Error(issued.problem.detail);
  return issued.value.token;
}
