import { expect, test } from "vitest";
import { HelloPolicy, type HelloFacts } from "../../edge/relay/hello-policy.ts";
import type { Hello } from "../../shared/wire/control.ts";
import { LANE_CLOSE } from "../../shared/wire/errors.ts";
import { HELLO_BURST, HELLOS_PER_SECOND, MAX_DATA } from "../../shared/wire/limits.ts";
import { PROTOCOL } from "../../shared/wire/version.ts";

/** How often out of so many an identity is let in, all within the same millisecond. */
function flood(policy: HelloPolicy, identity: string, times: number, now: number): number {
  let permitted = 0;
  for (let n = 0; n < times; n += 1) if (policy.permit(identity, now)) permitted += 1;
  return permitted;
}

test("who comes again and again is told to wait before storage is written for it; another is let in", () => {
  const policy = new HelloPolicy();
  expect(flood(policy, "visitor:x", 10_000, 0)).toBe(HELLO_BURST);
  expect(policy.permit("agent:y", 0)).toBe(true);
  expect(flood(policy, "visitor:x", 10_000, 1_000)).toBe(HELLOS_PER_SECOND);
});

test("a flood of identities does not fill the memory", () => {
  const policy = new HelloPolicy();
  flood(policy, "visitor:x", 10_000, 0);
  for (let n = 0; n < 5_000; n += 1) policy.permit(`visitor:${n}`, 0);
  expect(flood(policy, "visitor:x", 10_000, 0)).toBe(HELLO_BURST);
});

type Case = { hello?: Partial<Hello>; renewOnly?: boolean; facts?: Partial<HelloFacts<string>> };

const REFUSALS: [string, Case, number][] = [
  ["another protocol", { hello: { protocol: PROTOCOL + 1 } }, LANE_CLOSE.incompatible],
  ["another kind than its token's", { hello: { kind: "gateway" } }, LANE_CLOSE.forbidden],
  ["too much that waits for its lanes", { facts: { hasExcessBacklog: () => true } }, LANE_CLOSE.busy],
  ["no room for one more end", { facts: { hasBudget: () => false } }, LANE_CLOSE.busy],
];

test.each(REFUSALS)("a HELLO is refused for %s", (_, given, code) => {
  expect(judged(given)).toMatchObject({ type: "refused", code });
});

test("an end is welcome as a new one; and with no look at room or rivals when it has lanes already", () => {
  expect(judged({})).toEqual({ type: "welcome", existing: undefined });
  const facts = { existing: () => "end", hasBudget: () => false, isServed: () => true };
  expect(judged({ facts, hello: { standby: true } })).toEqual({ type: "welcome", existing: "end" });
});

test("a lapsed token's lane is parked whatever waits, and a second process that stands by is parked while there is a first", () => {
  expect(judged({ renewOnly: true, facts: { hasExcessBacklog: () => true } })).toEqual({
    type: "parked",
    why: { renew: true },
  });
  expect(judged({ hello: { standby: true }, facts: { isServed: () => true } })).toEqual({
    type: "parked",
    why: { standby: true },
  });
  expect(judged({ hello: { standby: true } })).toMatchObject({ type: "welcome" });
});

function judged({ hello = {}, renewOnly, facts = {} }: Case) {
  const said: Hello = {
    protocol: PROTOCOL,
    kind: "agent",
    incarnation: "0".repeat(32),
    lane: 0,
    version: "0",
    frameBytes: MAX_DATA,
    features: [],
  };
  const usual = {
    existing: () => undefined,
    hasExcessBacklog: () => false,
    hasBudget: () => true,
    isServed: () => false,
  };
  const pass = { kind: "agent", identity: "agent:a", renewOnly } as const;
  return new HelloPolicy().judge(pass, { ...said, ...hello }, { ...usual, ...facts }, 0);
}
