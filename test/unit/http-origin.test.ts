import { expect, test } from "vitest";
import { parseAuthority } from "../../shared/address/http-authority.ts";
import { acceptsCookieLogin, isOrigin } from "../../shared/http/origin.ts";

const OWN = parseAuthority("shop.example", "https")!;

/** Method, upgrade, Origin, Sec-Fetch-Site, and whether a login by cookie counts. */
const ASKED: [string, boolean, string | null, string | null, boolean][] = [
  // Links, images and typed addresses: SameSite=Lax has judged them.
  ["GET", false, null, "cross-site", true],
  ["GET", false, null, "same-site", true],
  ["GET", false, null, "none", true],
  ["GET", false, "https://evil.example", "cross-site", true],
  ["HEAD", false, null, null, true],
  // Its own pages.
  ["POST", false, "https://shop.example", "same-origin", true],
  ["POST", false, "https://shop.example", null, true],
  ["POST", false, "https://shop.example:443", null, true],
  ["POST", false, "null", "same-origin", true],
  ["DELETE", false, null, "same-origin", true],
  ["GET", true, "https://shop.example", "same-origin", true],
  ["GET", true, "https://shop.example", null, true],
  // Programs.
  ["PUT", false, null, null, true],
  ["GET", true, null, null, true],
  // A person, by an extension or a bookmark.
  ["POST", false, null, "none", true],
  // Sibling hosts, other ports and schemes, and strangers.
  ["POST", false, "https://blog.example", "same-site", false],
  ["POST", false, "https://a.shop.example", "same-site", false],
  ["POST", false, null, "same-site", false],
  ["POST", false, null, "cross-site", false],
  ["POST", false, null, "something-new", false],
  ["POST", false, "https://shop.example:8443", null, false],
  ["POST", false, "http://shop.example", null, false],
  ["POST", false, "https://shop.example.evil.example", null, false],
  ["POST", false, "null", null, false],
  ["POST", false, "null", "cross-site", false],
  ["POST", false, "", null, false],
  ["POST", false, "https://shop.example", "same-site", false],
  ["POST", false, "https://evil.example", "same-origin", false],
  ["PROPPATCH", false, "https://blog.example", null, false],
  ["FROB", false, "https://blog.example", null, false],
  ["GET", true, "https://blog.example", "same-site", false],
  ["GET", true, "https://evil.example", null, false],
  ["GET", true, "null", null, false],
  ["GET", true, null, "cross-site", false],
];

test.each(ASKED)(
  "%s, upgrade %s, Origin %s, Sec-Fetch-Site %s: a login by cookie counts: %s",
  (method, upgrade, origin, secFetchSite, good) => {
    expect(acceptsCookieLogin({ method, upgrade, origin, secFetchSite }, OWN)).toBe(good);
  },
);

test("an origin is compared as parsed: default ports and case make no difference, anything more does", () => {
  const at = parseAuthority("shop.example:8443", "https")!;
  expect(isOrigin("https://SHOP.example:8443", at)).toBe(true);
  for (const other of [
    "https://shop.example",
    "http://shop.example:8443",
    "https://shop.example:8443/",
    "shop.example:8443",
    "https://u@shop.example:8443",
  ])
    expect(isOrigin(other, at)).toBe(false);
});
