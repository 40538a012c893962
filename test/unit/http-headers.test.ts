import { expect, test } from "vitest";
import { requestHeaders } from "../../shared/http/headers.ts";
import { IDENTITY, ROUTE, spellings } from "../support/spoofed.ts";

/** What looks like one of those and is a visitor's own. */
const PLAIN = [
  "Accept",
  "Authorization",
  "Content-Type",
  "Cookie",
  "Origin",
  "Referer",
  "Sec-Fetch-Site",
  "User-Agent",
  "X-Requested-With",
  "X-CSRF-Token",
  "X-Auth-Token",
  "X-Auth-User",
  "X-API-Key",
  "X-Trip",
  "X-Clip",
  "Recipient-Zip",
  "X-Original-Filename",
  "X-Proxied",
  "Via",
];

function kept(names: readonly string[], fromProxy = false): string[] {
  const received = names.map((name): [string, string] => [name.toLowerCase(), "1"]);
  const rules = { trustCf: false, upgrade: false, expects: false, fromProxy };
  return requestHeaders(received, null, rules).filter((_, at) => at % 2 === 0);
}

test("what only a proxy may say never passes from a visitor, in any spelling", () => {
  expect(kept([...ROUTE, ...IDENTITY].flatMap(spellings))).toEqual([]);
});

test("a trusted proxy is believed about who the visitor is; where it comes from is told anew", () => {
  expect(kept(ROUTE.flatMap(spellings), true)).toEqual([]);
  expect(kept(IDENTITY, true)).toEqual(IDENTITY.map((name) => name.toLowerCase()));
});

test("everything else passes", () => {
  expect(kept(PLAIN)).toEqual(PLAIN.map((name) => name.toLowerCase()));
});

test("framing in another spelling is none of ours, and might be the target's", () => {
  expect(kept(["Transfer_Encoding", "Content_Length", "Connection_", "Proxy_Authorization", "Host_"])).toEqual([
    "connection_",
    "host_",
  ]);
});

test("names chosen by strangers don't add up in memory, and are told apart whatever they are", () => {
  for (let nth = 0; nth < 5_000; nth += 1)
    expect(kept([`x-n-${nth}`, "client-ip", "constructor"])).toEqual([`x-n-${nth}`, "constructor"]);
});
