import fc from "fast-check";
import { expect, test } from "vitest";
import { isExempt } from "../../link/dial/no-proxy.ts";

test.each<[list: string, host: string, port: number, exempt: boolean]>([
  // Nothing, and everything.
  ["", "edge.example.com", 443, false],
  [" , ,", "edge.example.com", 443, false],
  ["*", "edge.example.com", 443, true],
  ["other.example, *", "203.0.113.7", 443, true],
  // Names: themselves and all below them, by whole labels, in any case.
  ["edge.example.com", "edge.example.com", 443, true],
  ["example.com", "edge.example.com", 443, true],
  ["example.com", "example.com", 443, true],
  [".example.com", "edge.example.com", 443, true],
  [".example.com", "example.com", 443, true],
  ["*.example.com", "a.edge.example.com", 443, true],
  ["example.com.", "edge.example.com", 443, true],
  ["example.com", "edge.example.com.", 443, true],
  ["EXAMPLE.Com", "edge.example.com", 443, true],
  ["example.com", "EDGE.example.COM", 443, true],
  ["example.com", "notexample.com", 443, false],
  ["example.com", "example.com.evil.org", 443, false],
  ["edge.example.com", "example.com", 443, false],
  ["com", "example.com", 443, true],
  [".", "example.com", 443, false],
  // Lists: commas, spaces, both.
  ["a.example,edge.example.com", "edge.example.com", 443, true],
  ["a.example edge.example.com", "edge.example.com", 443, true],
  ["a.example ,\tedge.example.com ", "edge.example.com", 443, true],
  ["a.example;edge.example.com", "edge.example.com", 443, false],
  // Ports.
  ["edge.example.com:443", "edge.example.com", 443, true],
  ["edge.example.com:443", "edge.example.com", 8443, false],
  [".example.com:8443", "edge.example.com", 8443, true],
  ["203.0.113.7:443", "203.0.113.7", 443, true],
  ["203.0.113.7:443", "203.0.113.7", 80, false],
  ["[2001:db8::7]:443", "[2001:db8::7]", 443, true],
  ["[2001:db8::7]:443", "[2001:db8::7]", 80, false],
  // Addresses, in every spelling of theirs; never a suffix of one.
  ["203.0.113.7", "203.0.113.7", 443, true],
  ["203.0.113.7", "203.0.113.70", 443, false],
  ["113.7", "203.0.113.7", 443, false],
  [".113.7", "203.0.113.7", 443, false],
  ["2001:db8::7", "[2001:db8::7]", 443, true],
  ["[2001:db8::7]", "[2001:db8::7]", 443, true],
  ["2001:DB8:0:0::7", "[2001:db8::7]", 443, true],
  ["::ffff:203.0.113.7", "203.0.113.7", 443, true],
  ["203.0.113.7", "edge.example.com", 443, false],
  // Networks: addresses in them, no names, and host bits do not matter.
  ["203.0.113.0/24", "203.0.113.7", 443, true],
  ["203.0.113.0/24", "203.0.114.7", 443, false],
  ["203.0.113.9/24", "203.0.113.7", 443, true],
  ["10.0.0.0/8", "10.200.3.4", 8443, true],
  ["0.0.0.0/0", "203.0.113.7", 443, true],
  ["0.0.0.0/0", "[2001:db8::7]", 443, false],
  ["203.0.113.7/32", "203.0.113.7", 443, true],
  ["203.0.113.0/33", "203.0.113.0", 443, false],
  ["203.0.113.0/", "203.0.113.0", 443, false],
  ["203.0.113.0/x", "203.0.113.0", 443, false],
  ["/8", "203.0.113.0", 443, false],
  ["fd00::/8", "[fd12::1]", 443, true],
  ["fd00::/8", "[fe80::1]", 443, false],
  ["[fd00::]/8", "[fd12::1]", 443, true],
  ["10.0.0.0/8", "edge.example.com", 443, false],
  // What is none of these exempts nothing.
  ["http://edge.example.com", "edge.example.com", 443, false],
  ["edge.example.com:https", "edge.example.com", 443, false],
  ["[", "edge.example.com", 443, false],
  ["a:b:c", "edge.example.com", 443, false],
])("NO_PROXY %j, %s port %i: %s", (list, host, port, exempt) => {
  expect(isExempt(list, host, port)).toBe(exempt);
});

test("no list fails, whatever is in it", () => {
  fc.assert(fc.property(fc.string({ unit: "grapheme" }), (list) => void isExempt(list, "edge.example.com", 443)));
});
