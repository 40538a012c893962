import { expect, test } from "vitest";
import { announce, type AnnounceOptions } from "../../cli/serve/announce.ts";

const PLAIN: AnnounceOptions = { publicUrl: null, tls: null, trustedProxies: [], tcp: [], bind: "0.0.0.0" };
const TLS = { certificate: "cert.pem", key: "key.pem" };

function warnings(host: string, changes: Partial<AnnounceOptions> = {}): string[] {
  const warned: string[] = [];
  const secret = { value: "s", file: "admin-secret", isNew: false, isExposed: false };
  announce({ ...PLAIN, ...changes }, { host, port: 8787 }, secret, (level, message, fields) => {
    if (level === "warn") warned.push(`${message} ${JSON.stringify(fields)}`);
  });
  return warned;
}

test.each(["0.0.0.0", "::", "8.8.8.8", "2a00:1450:4001::1"])("plain HTTP on %s is warned of at the start", (host) => {
  expect(warnings(host)).toEqual([expect.stringMatching(/8787 is unencrypted HTTP[^]*--tls-cert/)]);
  expect(warnings(host, { publicUrl: "https://edge.example" })).toEqual([
    expect.stringContaining("https://edge.example is HTTPS, which this edge does not serve"),
  ]);
  expect(warnings(host, { tls: TLS })).toEqual([]);
  expect(warnings(host, { publicUrl: "https://edge.example", trustedProxies: ["10.0.0.0/8"] })).toEqual([]);
});

test.each(["127.0.0.1", "::1", "192.168.1.5", "fd12::1"])("plain HTTP on %s is not", (host) => {
  expect(warnings(host)).toEqual([]);
});
