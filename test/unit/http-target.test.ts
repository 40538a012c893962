import { expect, test } from "vitest";
import { readTarget } from "../../shared/http/target.ts";
import { good, refused } from "./parsed.ts";

/** Method, target and Host, and the path and host that they mean. */
const READ: [string, string, string | null, string, string][] = [
  ["GET", "/x?y", "shop.example", "/x?y", "shop.example"],
  ["GET", "//evil.example/x", "shop.example", "//evil.example/x", "shop.example"],
  ["GET", "http://shop.example/x", "shop.example", "/x", "shop.example"],
  ["GET", "HTTP://SHOP.example./x", "shop.example", "/x", "shop.example"],
  ["GET", "http://shop.example:80/x", "Shop.Example", "/x", "shop.example"],
  ["GET", "https://shop.example/x", "shop.example", "/x", "shop.example"],
  ["GET", "http://shop.example", "shop.example", "/", "shop.example"],
  ["GET", "http://shop.example?x=/", "shop.example", "/?x=/", "shop.example"],
  ["GET", "http://shop.example/a#b", "shop.example", "/a", "shop.example"],
  ["GET", "http://shop.example/a", null, "/a", "shop.example"],
  ["GET", "http://[fd00::1]:8080/a", "[fd00:0::1]:8080", "/a", "[fd00::1]:8080"],
  ["OPTIONS", "*", "shop.example", "*", "shop.example"],
];

test.each(READ)("%s %s at Host %s is %s at %s", (method, target, host, path, text) => {
  expect(good(readTarget(method, target, host, "http"))).toMatchObject({ path, authority: { text } });
});

const REFUSED: [string, string, string | null][] = [
  ["GET", "http://evil.example/x", "shop.example"],
  ["GET", "https://evil.example/x", "shop.example"],
  ["GET", "http://shop.example:81/x", "shop.example"],
  ["GET", "http://a.shop.example/x", "shop.example"],
  ["GET", "http://user@shop.example/x", "shop.example"],
  ["GET", "http://shop.example\\@evil.example/x", "shop.example"],
  ["GET", "http://shop.example, evil.example/x", "shop.example"],
  ["GET", "http:///x", "shop.example"],
  ["GET", "ftp://shop.example/x", "shop.example"],
  ["GET", "shop.example:80", "shop.example"],
  ["CONNECT", "shop.example:80", "shop.example"],
  ["GET", "x", "shop.example"],
  ["GET", "", "shop.example"],
  ["GET", "*", "shop.example"],
  ["GET", "/x", null],
  ["GET", "/x", ""],
  ["GET", "/x", "shop.example, evil.example"],
  ["GET", "/x", "shop.example/evil"],
];

test.each(REFUSED)("%s %s at Host %s is refused", (method, target, host) => {
  expect(refused(readTarget(method, target, host, "http"))).toMatch(/^bad-(?:host|target)$/);
});
