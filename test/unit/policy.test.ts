import dns from "node:dns/promises";
import { afterAll, beforeAll, expect, test, vi, type MockInstance } from "vitest";
import { UdpAnswerFilter } from "../../agent/egress/udp-answer-filter.ts";
import { judge, mayConnect, resolveDenied, type TargetPolicy } from "../../agent/policy.ts";
import { parseAddress } from "../../shared/address/address.ts";
import { parseClaims } from "../../shared/rule/claims.ts";
import { noDrops } from "../../shared/session/flow.ts";
import { all } from "../../shared/result.ts";
import { EVERY_TARGET, OTHER_MACHINES, parseTargetRule } from "../../shared/address/target-rule.ts";
import { good } from "./parsed.ts";

/** What the network's resolver answers: addresses, or the code of its error. */
const world = { names: new Map<string, readonly string[] | string>() };

beforeAll(() => {
  const lookup = vi.spyOn(dns, "lookup") as unknown as MockInstance<(host: string) => Promise<{ address: string }[]>>;
  lookup.mockImplementation(async (host) => {
    const found = world.names.get(host) ?? "ENOTFOUND";
    if (typeof found === "string") throw Object.assign(new Error(found), { code: found });
    return found.map((address) => ({ address }));
  });
});
afterAll(() => vi.restoreAllMocks());

const DENIED = /forbidden by the agent's own --deny/;

test.each<[deny: string, target: string, names: Record<string, readonly string[] | string>, denied: boolean]>([
  ["localhost", "127.0.0.1", {}, true],
  ["localhost", "127.8.8.8", {}, true],
  ["localhost", "::1", {}, true],
  ["localhost", "::ffff:127.0.0.1", {}, true],
  ["localhost", "localhost", { localhost: ["::1", "127.0.0.1"] }, true],
  ["localhost", "LOCALHOST.", { localhost: ["127.0.0.1"], "localhost.": ["127.0.0.1"] }, true],
  ["localhost", "loop-a.example", { "loop-a.example": ["127.0.0.1"] }, true],
  ["localhost", "10.0.0.1", {}, false],
  ["localhost:22", "127.0.0.1", {}, false],
  ["localhost:80", "127.0.0.1", {}, true],
  ["nas-a.lan", "10.0.0.7", { "nas-a.lan": ["10.0.0.7"] }, true],
  ["NAS-B.lan.:80", "10.0.0.7", { "nas-b.lan": ["10.0.0.6", "10.0.0.7"] }, true],
  ["nas-c.lan:443", "10.0.0.7", { "nas-c.lan": ["10.0.0.7"] }, false],
  ["nas-d.lan", "other-d.lan", { "nas-d.lan": ["10.0.0.7"], "other-d.lan": ["10.0.0.7"] }, true],
  ["nas-e.lan", "10.0.0.8", { "nas-e.lan": ["10.0.0.7"] }, false],
  ["nas-f.lan", "nas-f.lan", { "nas-f.lan": ["10.0.0.7"] }, true],
  ["nowhere.lan", "10.0.0.7", { "nowhere.lan": "ENOTFOUND" }, false],
])("with --deny %s, %s is judged by what the name leads to: %j, denied %s", async (deny, target, names, denied) => {
  for (const [name, found] of Object.entries(names)) world.names.set(name, found);
  const judged = await judge(policy({ deny: [deny] }), target.toLowerCase(), 80);
  if (denied)
    expect(judged).toMatchObject({
      ok: false,
      failure: { code: "target-denied", reason: expect.stringMatching(DENIED) },
    });
  else expect(judged.ok).toBe(true);
});

test("a UDP target is heard from its other ports but for those that a denied name leads to, whatever port was dialled", async () => {
  world.names.set("camera.lan", ["10.0.0.7"]);
  world.names.set("unknown.lan", "EAI_AGAIN");
  const rules = policy({ deny: ["camera.lan:7001", "unknown.lan:7002"] });
  const drops = noDrops();
  const answers = new UdpAnswerFilter({
    ...{ policy: rules, meanings: await resolveDenied(rules.deny), drops },
    ...{ host: "10.0.0.7", address: good(parseAddress("10.0.0.7")), port: 7_000, guard: undefined },
    proved: () => false,
  });
  const heard = [7_000, 7_001, 7_002, 7_003].map((port) => answers.fromTarget(Uint8Array.of(1), port) !== null);
  expect([heard, drops.refused]).toEqual([[true, false, false, true], 2]);
  expect(answers.failure).toMatchObject({
    code: "target-denied",
    reason: expect.stringContaining("answers from port 7001 of 10.0.0.7 were dropped: forbidden by"),
  });
});

test("of a name with several addresses, those that another name forbids are not dialled", async () => {
  world.names.set("many.lan", ["10.0.0.5", "10.0.0.6"]);
  world.names.set("one.lan", ["10.0.0.5"]);
  const judged = await judge(policy({ deny: ["one.lan"] }), "many.lan", 80);
  expect(judged).toMatchObject({ ok: true, addresses: [{ text: "10.0.0.6" }] });
});

test("a denied name whose resolver is away forbids what it last led to, and everything at its ports before that is known", async () => {
  world.names.set("away.lan", "EAI_AGAIN");
  const away = policy({ deny: ["away.lan:80"] });
  expect(await judge(away, "10.0.0.9", 80)).toMatchObject({
    ok: false,
    failure: {
      code: "target-denied",
      reason: expect.stringContaining("away.lan, which the agent's own --deny forbids"),
    },
  });
  expect((await judge(away, "10.0.0.9", 443)).ok).toBe(true);
  using _clock = stoppedClock();
  world.names.set("back.lan", ["10.0.0.7"]);
  const back = policy({ deny: ["back.lan"] });
  expect((await judge(back, "10.0.0.7", 80)).ok).toBe(false);
  world.names.set("back.lan", "EAI_AGAIN");
  // What was asked a moment ago is not asked again.
  vi.advanceTimersByTime(5_000);
  expect((await judge(back, "10.0.0.8", 80)).ok).toBe(true);
  expect((await judge(back, "10.0.0.7", 80)).ok).toBe(false);
});

test.each<[targets: readonly string[], allow: string[], deny: string[], dialled: boolean]>([
  [OTHER_MACHINES, [], [], false],
  [OTHER_MACHINES, ["0.0.0.0/0"], [], false],
  [OTHER_MACHINES, ["0.0.0.0/0", "[::/0]"], [], false],
  [OTHER_MACHINES, ["10.0.0.0/8"], [], false],
  [OTHER_MACHINES, ["127.0.0.1"], [], true],
  [OTHER_MACHINES, ["127.0.0.0/8:80"], [], true],
  [OTHER_MACHINES, ["127.0.0.0/8:81"], [], false],
  [OTHER_MACHINES, ["127.0.0.1"], ["localhost"], false],
  [["127.0.0.1:80"], [], [], true],
  [["127.0.0.0/8"], [], [], true],
  [["127.0.0.1:80"], ["0.0.0.0/0"], [], true],
  [["127.0.0.1:80"], ["10.0.0.0/8"], [], false],
  [["127.0.0.1:81"], [], [], false],
  [["10.0.0.0/8"], ["127.0.0.1"], [], false],
  [EVERY_TARGET, [], [], true],
  [EVERY_TARGET, ["10.0.0.0/8"], [], false],
  [EVERY_TARGET, [], ["localhost"], false],
])(
  "the agent's own 127.0.0.1:80, with a token for %j, --allow %j and --deny %j: dialled %s",
  async (targets, allow, deny, dialled) => {
    expect((await judge(policy({ targets, allow, deny }), "127.0.0.1", 80)).ok).toBe(dialled);
  },
);

test("localhost in --allow opens the agent's own machine to targets of that name, and another name that leads there does not", async () => {
  world.names.set("localhost", ["127.0.0.1"]);
  world.names.set("rebound.lan", ["127.0.0.1"]);
  const own = policy({ targets: OTHER_MACHINES, allow: ["localhost", "rebound.lan"] });
  expect((await judge(own, "localhost", 80)).ok).toBe(true);
  expect(await judge(own, "rebound.lan", 80)).toMatchObject({
    ok: false,
    failure: { reason: expect.stringContaining("the agent's own machine") },
  });
});

test("a socket that is denied is not connected to, though it is allowed", () => {
  const socket = "unix:/run/app.sock";
  expect(mayConnect(policy({ allow: [socket] }), "/run/app.sock")).toBe(true);
  expect(mayConnect(policy({ allow: [socket], deny: [socket] }), "/run/app.sock")).toBe(false);
});

type Rules = { targets?: readonly string[]; allow?: readonly string[]; deny?: readonly string[] };

function policy({ targets = EVERY_TARGET, allow = [], deny = [] }: Rules): TargetPolicy {
  const life = { iat: 1_700_000_000, exp: 1_700_000_900, jti: "token-0001" };
  const claims = {
    iss: "https://edge.example",
    sub: "agent:lab:1",
    aud: "sallyport:agent",
    site: "lab",
    targets,
    ...life,
  };
  return {
    claims: good(parseClaims("agent", claims)),
    allow: good(all(allow, parseTargetRule)),
    deny: good(all(deny, parseTargetRule)),
  };
}

/** A clock that goes on when it is told to. */
function stoppedClock(): Disposable {
  vi.useFakeTimers({ toFake: ["performance"] });
  return { [Symbol.dispose]: () => void vi.useRealTimers() };
}
