import fc from "fast-check";
import { expect, test } from "vitest";
import { parseClaims, type AgentClaims, type GatewayClaims } from "../../shared/rule/claims.ts";
import { checkSuccessor } from "../../shared/successor.ts";
import { good, refused } from "./parsed.ts";

const IAT = 1_700_000_000;
const LIFE = 90 * 24 * 3600;
const COMMON = { iss: "https://edge.example", iat: IAT, exp: IAT + LIFE, jti: "token-0001" };
const AGENT = agent({});
const GATEWAY = gateway({});
const LATER = { iat: IAT + 60 * 24 * 3600, exp: IAT + 60 * 24 * 3600 + LIFE, jti: "token-0002" };

test("a successor lives as long again, under a name of its own", () => {
  for (const present of [AGENT, GATEWAY])
    expect(good(checkSuccessor(present, { ...present, ...LATER }))).toEqual({ ...present, ...LATER });
});

test.each<[difference: string, changes: object]>([
  ["sub", { sub: "agent:lab:2" }],
  ["site", { site: "office" }],
  ["targets", { targets: ["0.0.0.0/0"] }],
  ["targets", { targets: ["192.168.2.0/24:80", "192.168.3.1:22"] }],
  ["targets", { targets: ["192.168.2.0/24:80-81"] }],
  ["targets", { targets: ["192.168.2.0/25:80"] }],
  ["publish", { publish: ["lab/*", "8080/tcp"] }],
  ["publish", { publish: undefined }],
])("an agent's token with another %s is none: %j", (difference, changes) => {
  const answer = checkSuccessor(AGENT, agent({ ...LATER, ...changes }));
  expect(refused(answer)).toBe("bad-claims");
  expect(answer).toMatchObject({ error: { message: expect.stringContaining(`${difference} is `) } });
});

test("scopes that the present token does not have are none", () => {
  const { publish: _, ...unpublished } = AGENT;
  expect(refused(checkSuccessor<AgentClaims>(unpublished, { ...AGENT, ...LATER }))).toBe("bad-claims");
});

test.each<object>([
  { sub: "gateway:2" },
  { endpoints: "*" },
  { endpoints: ["8080/tcp", "22/tcp"] },
  { bind: "*" },
  { bind: ["192.0.2.1"] },
])("a gateway's token with %j is none", (changes) => {
  expect(refused(checkSuccessor(GATEWAY, gateway({ ...LATER, ...changes })))).toBe("bad-claims");
});

test("a successor lives no longer, and ends no sooner", () => {
  const { iat, exp } = LATER;
  expect(refused(checkSuccessor(AGENT, agent({ ...LATER, exp: exp + 1 })))).toBe("bad-claims");
  expect(refused(checkSuccessor(AGENT, agent({ ...LATER, iat: iat - 1 })))).toBe("bad-claims");
  expect(refused(checkSuccessor(AGENT, agent({ ...LATER, iat: IAT - 10, exp: IAT + LIFE - 10 })))).toBe("bad-claims");
  expect(checkSuccessor(AGENT, agent({ ...LATER, exp: exp - 1 })).ok).toBe(true);
});

test.each([
  ["https://edge.example", "https://moved.example", true],
  ["https://edge.example", "https://edge.example:8443", true],
  ["https://edge.example", "http://edge.example", false],
  ["https://edge.example", "http://127.0.0.1:9200", false],
  ["https://edge.example", "https://127.0.0.1:8443", false],
  ["https://edge.example", "https://localhost", false],
  ["https://edge.example", "https://[::1]", false],
  ["https://edge.example", "https://app.localhost", false],
  ["http://192.0.2.7:8787", "https://edge.example", true],
  ["http://192.0.2.7:8787", "http://192.0.2.8:8787", true],
  ["http://192.0.2.7:8787", "http://127.0.0.1:9200", false],
  ["http://127.0.0.1:8787", "http://localhost:8787", true],
  ["http://127.0.0.1:8787", "https://edge.example", true],
  ["http://127.0.0.1:8787", "http://192.0.2.7", false],
])("an end at %s may be sent to %s: %s", (from, to, may) => {
  expect(checkSuccessor(agent({ iss: from }), agent({ ...LATER, iss: to })).ok).toBe(may);
});

test("whatever else two tokens say, one follows the other only if it grants the same", () => {
  const claims = fc.record({
    sub: fc.constantFrom("agent:lab:1", "agent:lab:2"),
    site: fc.constantFrom("lab", "office"),
    targets: fc.subarray(["0.0.0.0/0", "[::/0]", "192.168.2.0/24:80", "127.0.0.1:22"], { minLength: 1 }),
    publish: fc.constantFrom(undefined, ["lab/*"], ["8080/tcp"]),
    iss: fc.constantFrom("https://edge.example", "https://moved.example", "http://edge.example"),
    iat: fc.integer({ min: IAT, max: IAT + 2 * LIFE }),
    life: fc.integer({ min: 1, max: 2 * LIFE }),
  });
  const made = claims.map(({ iat, life, ...rest }) => agent({ ...rest, iat, exp: iat + life }));
  fc.assert(
    fc.property(made, made, (present, offered) => {
      const answer = checkSuccessor(present, offered);
      const grants = ({ sub, aud, site, targets, publish }: AgentClaims) => ({ sub, aud, site, targets, publish });
      if (!answer.ok) return;
      expect(grants(answer.value)).toEqual(grants(present));
      expect(offered.exp - offered.iat).toBeLessThanOrEqual(present.exp - present.iat);
    }),
    { numRuns: 2_000 },
  );
});

function agent(changes: object): AgentClaims {
  const claims = { sub: "agent:lab:1", site: "lab", targets: ["192.168.2.0/24:80"], publish: ["lab/*"] };
  return good(parseClaims("agent", stated({ ...COMMON, aud: "sallyport:agent", ...claims, ...changes })));
}

function gateway(changes: object): GatewayClaims {
  const claims = { sub: "gateway:1", endpoints: ["8080/tcp"], bind: ["192.0.2.7"] };
  return good(parseClaims("gateway", stated({ ...COMMON, aud: "sallyport:gateway", ...claims, ...changes })));
}

/** Without what is undefined: a claim is absent, never undefined. */
function stated(claims: Record<string, unknown>): object {
  return Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== undefined));
}
