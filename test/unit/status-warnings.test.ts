import { expect, test } from "vitest";
import { statusWarnings } from "../../edge/api/status-warnings.ts";
import type { IssuedToken } from "../../edge/registry/tokens.ts";
import type { TokenKind } from "../../shared/rule/claims.ts";
import type { AgentView, SiteStatus } from "../../shared/rule/api.ts";
import { VERSION } from "../../shared/wire/version.ts";

const DAY = 24 * 3600_000;
const NOW = Date.UTC(2026, 10, 22);
const NOTHING = { tokens: [], mappings: [], unreadable: [], uses: new Map<number, number>() };

/** A token issued for `life` days that ends in `left` days. */
function token(kind: TokenKind, life: number, left: number, more: Partial<IssuedToken> = {}): IssuedToken {
  const expires = NOW + left * DAY;
  const claims = { aud: `sallyport:${kind}` } as IssuedToken["claims"];
  const known = { jti: "j1", kind, sub: `${kind}:x`, site: null, issuedBy: "admin:ann", claims, revoked: null };
  return { ...known, issued: expires - life * DAY, expires, ...more };
}

function warned(tokens: readonly IssuedToken[]): string[] {
  return statusWarnings([], { ...NOTHING, tokens }, NOW);
}

test.each<[TokenKind, string]>([
  ["agent", "start its agent"],
  ["gateway", "start its gateway"],
  ["visitor", "sallyport token visitor issues another"],
  ["admin", "sallyport token admin issues another"],
])("a %s token is warned of a month ahead, with what to do", (kind, remedy) => {
  expect(warned([token(kind, 365, 31)])).toEqual([]);
  const [warning, ...more] = warned([token(kind, 365, 29)]);
  expect(more).toEqual([]);
  expect(warning).toContain(`The ${kind} token j1 of ${kind}:x expires 2026-12-21`);
  expect(warning).toContain(remedy);
});

test("a token of a short life is warned of in its last third only, and for as long after its end", () => {
  expect(warned([token("visitor", 3, 1.1)])).toEqual([]);
  expect(warned([token("visitor", 3, 0.9)])).toEqual([expect.stringContaining("expires 2026-11-22")]);
  expect(warned([token("visitor", 3, -0.9)])).toEqual([expect.stringContaining("expired 2026-11-21")]);
  expect(warned([token("visitor", 3, -1.1)])).toEqual([]);
});

test("people's own logins, and their browsers' sessions, end without a warning", () => {
  const claims = { aud: "sallyport:admin", session: "h" } as IssuedToken["claims"];
  expect(warned([token("admin", 90, 1, { issuedBy: "login" }), token("admin", 1, 0.1, { claims })])).toEqual([]);
});

test("an agent that is there is warned of once, by its own token's end", () => {
  const expires = new Date(NOW + 29 * DAY).toISOString();
  const agent = { identity: "agent:x", expires, version: VERSION } as AgentView;
  const site = { name: "lab", agents: [agent] } as unknown as SiteStatus;
  expect(statusWarnings([site], { ...NOTHING, tokens: [token("agent", 365, 29)] }, NOW)).toEqual([
    `The token of agent:x at lab expires ${expires}.`,
  ]);
  const later = new Date(NOW + 31 * DAY).toISOString();
  const fresh = { ...site, agents: [{ ...agent, expires: later }] };
  expect(statusWarnings([fresh], NOTHING, NOW)).toEqual([]);
});

test("of many tokens the first five are named, and the others counted", () => {
  const many = Array.from({ length: 8 }, (_, index) => token("visitor", 90, 1, { jti: `j${index}` }));
  const warnings = warned(many);
  expect(warnings).toHaveLength(6);
  expect(warnings.at(-1)).toBe("and 3 more of this kind.");
});
