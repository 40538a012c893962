import { expect, test } from "vitest";
import { parseEndpoint } from "../../shared/address/endpoint.ts";
import { covers, formatScope, hostMatches, parseScope } from "../../shared/rule/scope.ts";
import { good, refused } from "./parsed.ts";

test.each(["8080/tcp", "8000-8999/tcp+udp", "https://*.example.com", "lab/ssh", "lab/*"])("%s is a scope", (text) => {
  expect(formatScope(good(parseScope(text)))).toBe(text);
});

test.each(["*", "*/*", "/*", "*/ssh", "lab/**", "lab/s*", "*/tcp", "8080/*", "https://host/*", "https://*/*", ""])(
  "%j is not a scope",
  (text) => {
    expect(["bad-endpoint", "bad-name", "bad-host"]).toContain(refused(parseScope(text)));
  },
);

test.each([
  ["8080/tcp", "8080/tcp", true],
  ["8080/tcp", "8080/udp", false],
  ["8080/tcp", "8080/tcp+udp", false],
  ["8080/tcp+udp", "8080/udp", true],
  ["8080/tcp", "8081/tcp", false],
  ["8000-8999/tcp", "8080/tcp", true],
  ["8000-8999/tcp", "8000-8999/tcp", true],
  ["8000-8999/tcp", "8990-9000/tcp", false],
  ["8080/tcp", "8080-8081/tcp", false],
  ["https://shop.example.com", "https://shop.example.com", true],
  ["https://shop.example.com", "http://shop.example.com", false],
  ["https://shop.example.com", "https://shop.example.com:8443", true],
  ["https://shop.example.com:8443", "https://shop.example.com", false],
  ["https://shop.example.com:8443", "https://shop.example.com:9443", false],
  ["https://shop.example.com", "https://shop.example.com/admin", false],
  ["https://shop.example.com/admin", "https://shop.example.com", false],
  ["https://shop.example.com", "https://shop.example.com.evil.example", false],
  ["https://*.example.com", "https://*.example.com", true],
  ["https://*.example.com", "https://shop.example.com", true],
  ["https://*.example.com", "https://a.shop.example.com", false],
  ["https://*.example.com", "https://example.com", false],
  ["https://*.example.com", "https://*.shop.example.com", false],
  ["https://shop.example.com", "https://*.example.com", false],
  ["lab/ssh", "lab/ssh", true],
  ["lab/ssh", "lab/web", false],
  ["lab/ssh", "shop/ssh", false],
  ["lab/*", "lab/ssh", true],
  ["lab/*", "shop/ssh", false],
  ["lab/*", "8080/tcp", false],
  ["lab/*", "https://lab", false],
  ["lab/tcp", "8080/tcp", false],
])("a token for %s covers %s: %s", (scope, endpoint, may) => {
  expect(covers(good(parseScope(scope)), good(parseEndpoint(endpoint)))).toBe(may);
});

test.each([
  ["shop.example", "shop.example", true],
  ["*.example", "shop.example", true],
  ["*.example", "a.b.example", false],
  ["*.example", "example", false],
  ["*.lan", "n", false],
])("pattern %s, host %s: %s", (pattern, host, matches) => {
  expect(hostMatches(pattern, host)).toBe(matches);
});
