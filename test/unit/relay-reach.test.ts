import { expect, test } from "vitest";
import { parseTarget } from "../../shared/address/target.ts";
import { relayPart } from "../support/relay-site.ts";
import { good } from "./parsed.ts";

type Said = { allow: readonly string[]; deny: readonly string[] };
type Attachment = { targets?: readonly string[]; said?: Said | "stored" | undefined };
const { Reach } = await relayPart<{
  Reach: new (memory: object) => {
    keep: (said: Said | undefined, incarnation: string) => Attachment["said"];
    forget: (end: object) => void;
    reaches: (end: object, target: object) => { is: string };
  };
}>("site/reach.ts");

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
  expect(new Reach(memory).keep(short, "a")).toEqual(short);
  expect(memory.rows.size).toBe(0);
  expect(new Reach(memory).keep(LONG, "a")).toBe("stored");
  const end = agent({ targets: TARGETS, said: "stored" });
  const reach = new Reach(memory);
  expect(reach.reaches(end, to("10.0.1.7:80")).is).toBe("yes");
  expect(reach.reaches(end, to("10.9.0.1:80")).is).toBe("no");
  const other = { ...LONG, allow: [...LONG.allow, "10.9.0.1"] };
  expect(reach.keep(other, "a")).toBe("stored");
  expect(new Reach(memory).reaches(agent({ targets: TARGETS, said: "stored" }), to("10.9.0.1:80")).is).toBe("yes");
  reach.forget(end);
  expect([...memory.rows.values()]).toEqual([""]);
});

test("what was answered counts until the attachment changes; of rules that can't be read, nothing is known", () => {
  const reach = new Reach(storage());
  const lane = { attachment: { targets: TARGETS, said: { allow: ["10.0.0.0/8"], deny: [] } } };
  const end = { incarnation: "a", lanes: new Map([[0, lane]]) };
  expect(reach.reaches(end, to("10.0.0.5:80")).is).toBe("yes");
  lane.attachment = { ...lane.attachment, said: { allow: ["192.168.0.0/16"], deny: [] } };
  expect(reach.reaches(end, to("10.0.0.5:80")).is).toBe("no");
  lane.attachment = { ...lane.attachment, said: { allow: ["of a later version"], deny: [] } };
  expect(reach.reaches(end, to("10.0.0.5:80")).is).toBe("unknown");
  expect(reach.reaches(end, to("nas.lan:80")).is).toBe("unknown");
});
