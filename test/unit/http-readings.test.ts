import fc from "fast-check";
import { expect, test } from "vitest";
import { parseEndpoint, type HttpEndpoint } from "../../shared/address/endpoint.ts";
import { readings } from "../../shared/http/readings.ts";
import { routeHttp } from "../../shared/http/route.ts";
import { DISGUISES, SHORT_NAMES } from "../support/disguises.ts";
import { good } from "./parsed.ts";

// A host whose `/admin` and `/a/administrator` are open to fewer than the rest of it, and whose `/app` is open to all, too.

const CLOSED = ["https://shop.example/admin", "https://shop.example/a/administrator"];
const OPEN = ["https://shop.example", "https://shop.example/app"];
const ENDPOINTS = [...CLOSED, ...OPEN].map((text) => ({
  ...(good(parseEndpoint(text)) as HttpEndpoint),
  text,
  isClosed: CLOSED.includes(text),
}));

/** The endpoint that serves a path; "400" when none may. */
function served(path: string): string {
  const address = { scheme: "https", host: "shop.example", port: 443, path } as const;
  const routed = routeHttp(ENDPOINTS, address, (a, b) => a === b || (!a.isClosed && !b.isClosed));
  if (!routed.ok) return "400";
  return routed.value?.text ?? "404";
}

test.each([...DISGUISES, ...SHORT_NAMES])(
  "%s is /admin to some (%s): it is served under /admin's rule or not at all",
  (path) => {
    expect(served(path)).toBe("400");
  },
);

/** What looks odd and is /admin to no server. */
const HONEST: [string, string][] = [
  ["/", "https://shop.example"],
  ["/administrator", "https://shop.example"],
  ["/admin-panel", "https://shop.example"],
  ["/admin.js", "https://shop.example"],
  ["/admins", "https://shop.example"],
  ["/x/admin", "https://shop.example"],
  ["/x//admin;v=1/%41dmin", "https://shop.example"],
  ["/a%20b/c%2fd/%E2%82%AC.html", "https://shop.example"],
  ["/img;w=100/Caf%C3%A9%2520au%20lait.JPG", "https://shop.example"],
  ["/r/https%3A%2F%2Fother.example%2Fadmin%3Fx%3D1", "https://shop.example"],
  ["/wiki/C%23_(programming)", "https://shop.example"],
  ["/~admin", "https://shop.example"],
  ["/a/admin~1", "https://shop.example"],
  ["/100%", "https://shop.example"],
  ["/100%zz%", "https://shop.example"],
  // Open to the same visitors: which of the two serves it is not worth an error.
  ["/APP", "https://shop.example"],
  ["/app./x", "https://shop.example"],
  ["/admin", "https://shop.example/admin"],
  ["/admin/Users%20and%20Groups/%2541;x", "https://shop.example/admin"],
  ["/admin/x/../y", "https://shop.example/admin"],
  ["/app/%2e%2e%2fapp/x", "https://shop.example/app"],
];

test.each(HONEST)("%s is served by %s", (path, endpoint) => {
  expect(served(path)).toBe(endpoint);
});

test("where a prefix is open to all, only what could be another target's path is refused", () => {
  const open = ENDPOINTS.filter(({ isClosed }) => !isClosed);
  const route = (path: string) =>
    routeHttp(open, { scheme: "https", host: "shop.example", port: 443, path }, () => true);
  expect(route("/APP%20").ok).toBe(true);
  expect(route("/%252561pp").ok).toBe(false);
});

/** One way to write a character: as it is, in the other case, escaped, escaped again and again, wide, or overlong. */
const letter = (character: string): fc.Arbitrary<string> => {
  const code = character.charCodeAt(0);
  const hex = code.toString(16).padStart(2, "0");
  const wide = encodeURIComponent(String.fromCharCode(code + 0xfee0));
  const overlong = `%c${(code >> 6).toString(16)}%${(0x80 | (code & 0x3f)).toString(16)}`;
  return fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(character, character.toUpperCase()) },
    { weight: 2, arbitrary: fc.nat(5).map((depth) => `%${"25".repeat(depth)}${hex}`) },
    { weight: 1, arbitrary: fc.constantFrom(`%u00${hex}`, wide, overlong) },
  );
};

const word = (text: string): fc.Arbitrary<string> =>
  fc.tuple(...text.split("").map(letter)).map((parts) => parts.join(""));
const parameter = fc.constantFrom("", "", "", ";", ";v=1", "%3b", "%3Bx");
const dot = fc.constantFrom(".", "%2e", "%252E");
const tail = fc.constantFrom("", "", ".", "%20", "%09", " ", "...", "%20.", "::$DATA", "%00", "%00.png", "%a0");
const slash = fc.constantFrom("/", "/", "/", "\\", "%2f", "%5C", "//", "/./", "%252f");
const detour = fc
  .tuple(fc.constantFrom("x", "a%20b", "é", "app"), parameter, slash, dot, dot, parameter)
  .map(([name, before, between, first, second, after]) => `${name}${before}${between}${first}${second}${after}`);

test("no disguise of /admin, of any of these and in any order, is served as anything that is open to more", () => {
  const path = fc
    .tuple(
      fc.array(fc.tuple(detour, slash), { maxLength: 2 }),
      word("admin"),
      tail,
      parameter,
      fc.constantFrom("", "/x"),
    )
    .map(([detours, name, end, after, rest]) => `/${detours.flat().join("")}${name}${end}${after}${rest}`);
  fc.assert(
    fc.property(path, (disguise) => {
      expect(["400", "https://shop.example/admin"]).toContain(served(disguise));
    }),
    { numRuns: 2_000 },
  );
});

test("readings are few, begin with a slash, and begin with the path itself, whatever that is", () => {
  const piece = fc.oneof(
    fc.constantFrom(..."/\\.;%:~?#25cfeu0".split(""), "%25", "%u", "..", "%c0", "\0", " "),
    fc.string(),
  );
  const path = fc.array(piece, { maxLength: 60 }).map((pieces) => `/${pieces.join("")}`);
  fc.assert(
    fc.property(path, (text) => {
      const all = [...readings(text)];
      expect(all[0]).toBe(text);
      expect(all.length).toBeLessThanOrEqual(97);
      expect(new Set(all).size).toBe(all.length);
      for (const reading of all) expect(reading?.startsWith("/") ?? true).toBe(true);
    }),
  );
});
