import { expect, test } from "vitest";
import { parseEndpoint } from "../../shared/address/endpoint.ts";
import { isWithin, parseScopes, reachOf } from "../../shared/rule/reach.ts";
import { unwrap } from "../../shared/result.ts";

const reach = (endpoint: string, scopes: "*" | string[]): string[] =>
  reachOf(unwrap(parseEndpoint(endpoint)), parseScopes(scopes)).map((each) => `${each.endpoint} ${each.kind}`);

test.each<[string, "*" | string[], string[]]>([
  ["8080/tcp", "*", ["8080/tcp tcp"]],
  ["5060/tcp+udp", "*", ["5060/tcp tcp", "5060/udp udp"]],
  ["5060/tcp+udp", ["5060/udp"], ["5060/udp udp"]],
  ["10000-10019/udp", ["10005-10030/udp"], ["10005-10019/udp udp"]],
  ["10000-10019/udp", ["10000/udp", "10002-10003/udp", "10001/udp"], ["10000-10003/udp udp"]],
  ["10000-10019/udp", ["10000/udp", "10010/tcp+udp"], ["10000/udp udp", "10010/udp udp"]],
  ["10000-10019/udp", ["10000-10019/tcp"], []],
  ["lab/ssh", ["lab/*"], ["lab/ssh tcp"]],
  ["lab/ssh", ["lab/sql", "8080/tcp"], []],
  ["https://a.example", "*", ["https://a.example http"]],
])("of %s, %j reaches %j", (endpoint, scopes, expected) => {
  expect(reach(endpoint, scopes)).toEqual(expected);
});

test("a token without endpoints reaches nothing", () => {
  expect(reach("8080/tcp", [])).toEqual([]);
  expect(isWithin(unwrap(parseEndpoint("8080/tcp")), parseScopes([]))).toBe(false);
});
