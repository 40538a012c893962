import { expect, test } from "vitest";
import { formatEndpoint, type HttpEndpoint, parseEndpoint } from "../../shared/address/endpoint.ts";
import { isUnder, routeHttp } from "../../shared/http/route.ts";
import { good, refused } from "./parsed.ts";

const SHOP = [
  "https://shop.example",
  "https://shop.example/admin",
  "https://shop.example/admin/v2",
  "https://shop.example:8443",
  "https://*.example",
];

test.each([
  ["https://shop.example/", "https://shop.example"],
  ["https://shop.example/administrator", "https://shop.example"],
  ["https://shop.example/admin", "https://shop.example/admin"],
  ["https://shop.example/admin/", "https://shop.example/admin"],
  ["https://shop.example/admin/users", "https://shop.example/admin"],
  ["https://shop.example/admin/v2/users", "https://shop.example/admin/v2"],
  ["https://shop.example:8443/admin", "https://shop.example:8443"],
  ["https://other.example/admin", "https://*.example"],
  ["https://a.other.example/", undefined],
  ["https://example/", undefined],
  ["http://shop.example/", undefined],
  ["https://shop.example/caf%C3%A9", "https://shop.example"],
  ["https://shop.example/a%20b;c=d", "https://shop.example"],
  ["https://shop.example/admin/%2e%2e%2fadmin", "https://shop.example/admin"],
])("%s is served by %s", (url, endpoint) => {
  const chosen = good(route(url));
  expect(chosen && formatEndpoint(chosen)).toBe(endpoint);
});

test.each([
  ...[
    "/%61dmin",
    "/%2561dmin",
    "/%252561dmin",
    "/x/..%2fadmin",
    "/x%2f..%2fadmin",
    "//admin",
    "/.//admin",
    "/./admin",
    "/x/../admin",
    "/;/admin",
    "/admin;x",
  ],
  ...[
    "/x/..;/admin",
    "/\\admin",
    "/x\\..\\admin",
    "/admin%2fv2",
    "/admin/..",
    "/admin/%2e%2e",
    "/admin/..;/",
    "/admin/v2/%2e%2e/x",
    "/%5cadmin",
  ],
])("%s could mean two endpoints and is refused", (path) => {
  expect(refused(route(`https://shop.example${path}`))).toBe("ambiguous-path");
});

test.each(["/%61dmin", "//admin", "/x/..%2fadmin"])(
  "where no prefix is at stake, %s is the target's affair",
  (path) => {
    expect(good(route(`https://other.example${path}`))).toBeDefined();
  },
);

test("an endless stack of escapes is read in few steps", () => {
  expect(good(route(`https://shop.example/${"%25".repeat(30_000)}`))).toBeDefined();
});

test.each([
  ["", "/", true],
  ["", "/x", true],
  ["/app", "/app", true],
  ["/app", "/app/", true],
  ["/app", "/app/x", true],
  ["/app", "/apple", false],
  ["/app", "/App", false],
  ["/app", "/", false],
])("prefix %j has path %j: %s", (prefix, path, under) => {
  expect(isUnder(prefix, path)).toBe(under);
});

/** As a visitor's bytes have it: the path isn't touched on the way. */
function route(url: string) {
  const [, scheme, authority = "", path = ""] = /^(https?):\/\/([^/\\]*)(.*)$/s.exec(url) ?? [];
  const [host = "", port] = authority.split(":");
  const endpoints = SHOP.map((text) => good(parseEndpoint(text)) as HttpEndpoint);
  return routeHttp(endpoints, { scheme: scheme === "https" ? "https" : "http", host, port: Number(port ?? 443), path });
}
