import { expect, test } from "vitest";
import { helloReach, type TargetPolicy } from "../../agent/policy.ts";
import { parseTargetRule } from "../../shared/address/target-rule.ts";
import { encodeControl, decodeControl, Hello } from "../../shared/wire/control.ts";
import { decodeFrame, TYPE } from "../../shared/wire/frame.ts";
import { good } from "./parsed.ts";

const HELLO = { protocol: 1, kind: "agent", incarnation: "e".repeat(32), lane: 0, version: "0", features: [] };

function said(allow: readonly string[]) {
  const rules = allow.map((text) => good(parseTargetRule(text)));
  return helloReach({ claims: { targets: [] }, allow: rules, deny: [] } as unknown as TargetPolicy);
}

test("rules are said as they are written, and lists that are too long for HELLO are not", () => {
  expect(said(["192.168.2.0/24:80,443", "nas.lan", "unix:/run/app.sock"])).toEqual({
    allow: ["192.168.2.0/24:80,443", "nas.lan", "unix:/run/app.sock"],
    deny: [],
  });
  const many = Array.from({ length: 5_000 }, (_, index) => `10.${index >> 8}.${index % 256}.1:80`);
  for (const count of [1, 100, 500, 700, 800, 1_000, 5_000]) {
    const reach = said(many.slice(0, count));
    const frame = decodeFrame(encodeControl(TYPE.HELLO, { ...HELLO, reach }));
    expect(decodeControl(frame, Hello).reach).toEqual(reach);
  }
  expect(said(many)).toBeUndefined();
  const ports = Array.from({ length: 256 }, (_, index) => `${20_001 + 4 * index}-${20_002 + 4 * index}`).join(",");
  const short = Array.from({ length: 1_500 }, (_, index) => `1.1.${index >> 8}.${index % 256}`);
  for (const rules of [[`10.0.0.0/8:${ports}`], short.slice(0, 1_200)]) {
    const frame = decodeFrame(encodeControl(TYPE.HELLO, { ...HELLO, reach: said(rules) }));
    expect(decodeControl(frame, Hello).reach).toEqual(said(rules));
  }
});
