import { expect, test } from "vitest";
import { parseRule } from "../../shared/rule/mapping.ts";
import { mayReflect, warnings } from "../../shared/rule/warnings.ts";
import { good } from "./parsed.ts";

test.each<[string, Record<string, unknown>, string[]]>([
  ["a high port with an allow-list", { endpoint: "18080/tcp", allow: ["203.0.113.0/24"] }, []],
  ["a high port by token", { endpoint: "18080/tcp", access: "token" }, []],
  ["SSH by token", { endpoint: "22/tcp", access: "token" }, []],
  ["a service", { endpoint: "lab/ssh" }, []],
  ["a high port for everyone", { endpoint: "18080/tcp" }, ["Anyone on the internet can reach 18080/tcp."]],
  ["a port for all of IPv4", { endpoint: "18080/tcp", allow: ["0.0.0.0/0"] }, ["Anyone"]],
  [
    "SSH where it always is",
    { endpoint: "22/tcp", allow: ["203.0.113.9"] },
    ["Port 22 is where scanners look for SSH first."],
  ],
  ["RTSP for everyone", { endpoint: "554/tcp" }, ["Port 554 is where scanners look for RTSP first.", "Anyone"]],
  [
    "a low port nobody knows",
    { endpoint: "1000/tcp", allow: ["203.0.113.9"] },
    ["Port 1000 is among the well-known ports"],
  ],
  [
    "a range around a known port",
    { endpoint: "5050-5070/udp", allow: ["203.0.113.9"] },
    ["Port 5060 is where scanners look for SIP first."],
  ],
  [
    "a host for everyone",
    { endpoint: "https://shop.example" },
    ["Anyone on the internet can reach https://shop.example."],
  ],
  [
    "a certificate unchecked",
    { endpoint: "https://shop.example", target: "https://10.0.0.1", access: "token", http: { tlsVerify: false } },
    ["The target's certificate is not checked"],
  ],
  [
    "DNS for everyone",
    { endpoint: "10053/udp", target: "10.0.0.1:53" },
    ["Anyone", "DNS over UDP sends large answers to small requests"],
  ],
  ["DNS for everyone, knowingly", { endpoint: "10053/udp", target: "10.0.0.1:53", reflectorOk: true }, ["Anyone"]],
  ["DNS for some", { endpoint: "10053/udp", target: "10.0.0.1:53", allow: ["203.0.113.9"] }, []],
  ["DNS over TCP", { endpoint: "10053/tcp", target: "10.0.0.1:53", allow: ["203.0.113.9"] }, []],
  [
    "a range with ONVIF discovery in it",
    { endpoint: "13700-13709/udp", target: "10.0.0.1:3700-3709" },
    ["Anyone", "WS-Discovery"],
  ],
])("%s: %j warns %j", (_what, fields, starts) => {
  const found = warnings(good(parseRule({ site: "lab", target: "10.0.0.1:8080", ...fields })));
  expect(found).toHaveLength(starts.length);
  for (const [index, start] of starts.entries()) expect(found[index]).toContain(start);
});

test("answers stay small where a reflector is open to all without anyone's word", () => {
  const dns = { endpoint: "10053/udp", site: "lab", target: "10.0.0.1:53" };
  expect(mayReflect(good(parseRule(dns)))).toBe(true);
  expect(mayReflect(good(parseRule({ ...dns, reflectorOk: true })))).toBe(false);
  expect(mayReflect(good(parseRule({ ...dns, allow: ["203.0.113.9"] })))).toBe(false);
  expect(mayReflect(good(parseRule({ ...dns, target: "10.0.0.1:5060" })))).toBe(false);
});
