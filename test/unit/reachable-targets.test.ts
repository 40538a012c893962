import { expect, test } from "vitest";
import { parseTarget } from "../../shared/address/target.ts";
import { relayPart } from "../support/relay-site.ts";
import { good } from "./parsed.ts";

type RuleTexts = { allow: readonly string[]; deny: readonly string[] };
type Attachment = { targets?: readonly string[]; said?: RuleTexts | "stored" | undefined };
const { ReachableTargets } = await relayPart<{
  ReachableTargets: new (memory: object) => {
    store: (said: RuleTexts | undefined, incarnation: string) => Attachment["said"];
    forget: (end: object) => void;
    reaches: (end: object, target: object) => { is: string };
  };
}>("site/reachable-targets.ts");

const LONG = { allow: Array.from({ length: 1_000 }, (_, index) => `10.0.${index >> 8}.${index % 256}`), deny: [] };
const TARGETS = ["0.0.0.0/0"];

const to = (text: string) => good(parseTarget(text));

/** A relay's storage, which outlives its instances. */
function storage() {
  const rows = new Map<string, string>();
  return { rows, get: (key: string) => rows.get(key), put: (key: string, value: string) => void rows.set(key, value) };
}

function agent(attachment: Attachment, incarnation = "a") {
  return { incarnation, lanes: new Map([[0, { attachment }]]) };
}

test("short rules stay with the lane, long ones in storage, and both outlive the instance", () => {
  const memory = storage();
  const short = { allow: ["10.0.0.0/8"], deny: [] };
  expect(new ReachableTargets(memory).store(short, "a")).toEqual(short);
  expect(memory.rows.size).toBe(0);
  expect(new ReachableTargets(memory).store(LONG, "a")).toBe("stored");
  const end = agent({ targets: TARGETS, said: "stored" });
  const reachable = new ReachableTargets(memory);
  expect(reachable.reaches(end, to("10.0.1.7:80")).is).toBe("yes");
  expect(reachable.reaches(end, to("10.9.0.1:80")).is).toBe("no");
  const other = { ...LONG, allow: [...LONG.allow, "10.9.0.1"] };
  expect(reachable.store(other, "a")).toBe("stored");
  expect(new ReachableTargets(memory).reaches(agent({ targets: TARGETS, said: "stored" }), to("10.9.0.1:80")).is).toBe(
    "yes",
  );
  reachable.forget(end);
  expect([...memory.rows.values()]).toEqual([""]);
});

test("what was answered counts until the attachment changes; of rules that can't be read, nothing is known", () => {
  const reachable = new ReachableTargets(storage());
  const lane = { attachment: { targets: TARGETS, said: { allow: ["10.0.0.0/8"], deny: [] } } };
  const end = { incarnation: "a", lanes: new Map([[0, lane]]) };
  expect(reachable.reaches(end, to("10.0.0.5:80")).is).toBe("yes");
  lane.attachment = { ...lane.attachment, said: { allow: ["192.168.0.0/16"], deny: [] } };
  expect(reachable.reaches(end, to("10.0.0.5:80")).is).toBe("no");
  lane.attachment = { ...lane.attachment, said: { allow: ["of a later version"], deny: [] } };
  expect(reachable.reaches(end, to("10.0.0.5:80")).is).toBe("unknown");
  expect(reachable.reaches(end, to("nas.lan:80")).is).toBe("unknown");
});
