import { expect, test } from "vitest";
import { type Claims, parseClaims, type TokenKind } from "../../shared/rule/claims.ts";
import { CLOCK_SKEW, lifeOf, RENEWABLE_FOR, renewAt } from "../../shared/rule/token-life.ts";
import { good } from "./parsed.ts";

const IAT = 1_000_000;
const EXP = 1_300_000;

test.each<[number, string, string]>([
  [IAT - CLOCK_SKEW - 1, "early", "early"],
  [IAT - CLOCK_SKEW, "live", "live"],
  [IAT, "live", "live"],
  [IAT + 199_999, "live", "live"],
  [IAT + 200_000, "ageing", "live"],
  [EXP - 1, "ageing", "live"],
  [EXP, "lapsed", "dead"],
  [EXP + RENEWABLE_FOR - 1, "lapsed", "dead"],
  [EXP + RENEWABLE_FOR, "dead", "dead"],
])("at %d an agent's token is %s and a visitor's is %s", (now, agent, visitor) => {
  expect(lifeOf(claims("agent", { site: "lab", targets: ["10.0.0.0/8"] }), now)).toBe(agent);
  expect(lifeOf(claims("gateway", { endpoints: "*", bind: "*" }), now)).toBe(agent);
  expect(lifeOf(claims("visitor", { endpoints: ["8080/tcp"] }), now)).toBe(visitor);
  expect(lifeOf(claims("admin", { readOnly: true }), now)).toBe(visitor);
});

test("two thirds are counted in whole seconds", () => {
  expect(renewAt({ iat: 100, exp: 101 })).toBe(100);
  expect(renewAt({ iat: 100, exp: 110 })).toBe(106);
});

function claims(kind: TokenKind, scope: object): Claims {
  return good(
    parseClaims(kind, {
      iss: "https://edge.example",
      sub: "x:1",
      aud: `sallyport:${kind}`,
      iat: IAT,
      exp: EXP,
      jti: "abcdefgh",
      ...scope,
    }),
  );
}
