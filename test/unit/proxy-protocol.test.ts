import { expect, test } from "vitest";
import { proxyHeader, readProxyHeader } from "../../shared/proxy-protocol.ts";

const text = (bytes: Uint8Array): string => new TextDecoder("latin1").decode(bytes);
const bytes = (words: string): Uint8Array => Uint8Array.from(words, (letter) => letter.charCodeAt(0));
const to = { address: "198.51.100.1", port: 8080 };

test("version 1 names both ends in text", () => {
  expect(text(proxyHeader("v1", "203.0.113.7:5000", to))).toBe("PROXY TCP4 203.0.113.7 198.51.100.1 5000 8080\r\n");
  const six = proxyHeader("v1", "[2001:db8::7]:5000", { address: "2001:db8::1", port: 8080 });
  expect(text(six)).toBe("PROXY TCP6 2001:db8::7 2001:db8::1 5000 8080\r\n");
});

test("ends of two families are told in the visitor's", () => {
  expect(text(proxyHeader("v1", "[2001:db8::7]:5000", to))).toBe("PROXY TCP6 2001:db8::7 :: 5000 8080\r\n");
  expect(text(proxyHeader("v1", "203.0.113.7", { address: "::1", port: 0 }))).toBe(
    "PROXY TCP4 203.0.113.7 0.0.0.0 0 0\r\n",
  );
});

test("an unknown visitor is said to be unknown", () => {
  expect(text(proxyHeader("v1", "", to))).toBe("PROXY UNKNOWN\r\n");
  expect(readProxyHeader(proxyHeader("v2", "", to))).toEqual({ kind: "done", bytes: 16, source: null });
});

test.each(["v1", "v2"] as const)("%s is read back, and cut anywhere it asks for more", (version) => {
  for (const visitor of ["203.0.113.7:5000", "[2001:db8::7]:65535"]) {
    const header = proxyHeader(version, visitor, to);
    const read = readProxyHeader(Uint8Array.of(...header, 1, 2, 3));
    expect(read).toMatchObject({
      kind: "done",
      bytes: header.byteLength,
      source: { port: Number(/\d+$/.exec(visitor)?.[0]) },
    });
    for (let cut = 0; cut < header.byteLength; cut += 1) {
      expect(readProxyHeader(header.subarray(0, cut))).toEqual({ kind: "more" });
    }
  }
});

test("what is no header is refused, without waiting for more", () => {
  const signature = "\r\n\r\n\0\r\nQUIT\n";
  for (const words of [
    "GET / HTTP/1.1\r\n\r\n",
    "PROXY TCP4 203.0.113.7 198.51.100.1 5000\r\n",
    "PROXY TCP4 203.0.113.7 198.51.100.1 5000 8080 more\r\n",
    "PROXY TCP4 203.0.113.07 198.51.100.1 5000 8080\r\n",
    "PROXY TCP4 203.0.113.7 198.51.100.1 70000 8080\r\n",
    "PROXY TCP4 2001:db8::7 2001:db8::1 5000 8080\r\n",
    "PROXY UDP4 203.0.113.7 198.51.100.1 5000 8080\r\n",
    `PROXY ${"x".repeat(200)}`,
    `${signature}\x31\x11\x00\x0c${"\0".repeat(12)}`,
    `${signature}\x21\x12\x00\x0c${"\0".repeat(12)}`,
    `${signature}\x21\x11\x00\x04${"\0".repeat(4)}`,
    `${signature}\x21\x11\xff\xff`,
  ]) {
    expect({ words, ...readProxyHeader(bytes(words)) }).toEqual({ words, kind: "bad" });
  }
});
