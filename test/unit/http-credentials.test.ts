import fc from "fast-check";
import { expect, test } from "vitest";
import {
  cookieName,
  cookieValue,
  holdsOurToken,
  setsOurCookie,
  withoutCredentials,
} from "../../shared/http/credentials.ts";

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
const jwt = (typ: unknown): string =>
  `${encode({ alg: "EdDSA", typ, kid: "k1" })}.${encode({ sub: "ann" })}.c2lnbmF0dXJl`;
const OURS = jwt("sallyport-visitor+jwt");
const THEIRS = jwt("JWT");
const basic = (user: string, password: string): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;

test.each([
  [OURS, true],
  [`Bearer ${OURS}`, true],
  [`bearer  ${OURS}`, true],
  [`Token ${OURS}`, true],
  [`Bearer ${THEIRS}, Bearer ${OURS}`, true],
  [basic("ann", OURS), true],
  [basic(OURS, ""), true],
  [`Bearer ${jwt("sallyport-agent+jwt")}`, true],
  [`Bearer ${jwt("sallyport-admin+jwt")}`, true],
  [`Bearer ${jwt("application/sallyport-visitor+jwt")}`, true],
  [`Bearer ${OURS.split(".").slice(0, 2).join(".")}.`, true],
  [`Bearer ${THEIRS}`, false],
  [`Bearer ${jwt(undefined)}`, false],
  [`Bearer ${jwt(7)}`, false],
  [`Bearer ${encode(["sallyport-visitor+jwt"])}.e30.x`, false],
  [basic("ann", "sallyport"), false],
  ["Basic !!!", false],
  ["eyJ", false],
  ["eyJ.eyJ.eyJ", false],
  ["", false],
])("%s holds a token of ours: %s", (text, holds) => {
  expect(holdsOurToken(text)).toBe(holds);
});

test("whatever a visitor carries for the edge stays there, and everything else passes as it came", () => {
  const passes = [
    ["accept", "*/*"],
    ["authorization", `Bearer ${THEIRS}`],
    ["authorization", basic("ann", "secret")],
    ["cookie", 'a=1;  b="x;y"; __Host-c=2; sallyport=mine; xsallyport-1=3; token=' + THEIRS],
    ["referer", "https://shop.example/.sallyport/login"],
  ];
  expect(withoutCredentials(passes.flat())).toEqual(passes.flat());
  const stays = [
    ["authorization", `Bearer ${OURS}`],
    ["authorization", basic("ann", OURS)],
    ["x-auth-token", OURS],
    ["proxy-authorization", `Bearer ${OURS}`],
    ["sec-websocket-protocol", `binary, ${OURS}`],
    ["cookie", `sallyport-9=${OURS}`],
    ["cookie", "__Host-sallyport-9=x; sallyport-admin-8787=y"],
    ["referer", "https://shop.example/.sallyport/grant/0123456789abcdef0123456789abcdef"],
  ];
  expect(withoutCredentials(stays.flat())).toEqual([]);
  const mixed = `a=1; SALLYPORT-9=x; keep=${OURS}; b=2; __Secure-Sallyport-1=z`;
  expect(withoutCredentials(["cookie", mixed])).toEqual(["cookie", "a=1; b=2"]);
});

test.each([
  "sallyport-9=x",
  "Sallyport-9=x; Domain=example.com; Path=/",
  "SALLYPORT-ADMIN-8787=x",
  "__Host-sallyport-9=x; Secure; Path=/",
  "__HOST-sallyport-9=x",
  "__Secure-sallyport-tcp=x",
  "__Http-sallyport-9=x",
  "__Host-Http-sallyport-9=x",
  "  sallyport-9 =x",
  "\tsallyport-9=x",
  '"sallyport-9"=x',
  "=sallyport-9=x",
  "= sallyport-9=x",
  "==sallyport-9=x",
  "sallyport-9",
  "sallyport%2d9=x",
  "%73allyport-9=x",
])("a target's Set-Cookie %j is dropped", (cookie) => {
  expect(setsOurCookie(cookie)).toBe(true);
});

test.each([
  "a=1",
  "sallyport=1",
  "my-sallyport-9=1",
  "a=sallyport-9=x",
  "__Host-session=1",
  "",
  "; sallyport-9=x",
  "%=1",
])("a target's Set-Cookie %j passes", (cookie) => {
  expect(setsOurCookie(cookie)).toBe(false);
});

test("over TLS a cookie counts under the name alone that no other host can have set", () => {
  expect(cookieName("9", "https")).toBe("__Host-sallyport-9");
  expect(cookieName("9", "http")).toBe("sallyport-9");
  const header = 'sallyport-9=tossed; a=1; __Host-sallyport-9=good; "__Host-sallyport-9"=no; sallyport-9=again';
  expect(cookieValue(header, cookieName("9", "https"))).toBe("good");
  expect(cookieValue("sallyport-9=tossed", cookieName("9", "https"))).toBeNull();
  expect(cookieValue(null, "a")).toBeNull();
});

test("no text makes any of it throw, and what holds nothing of ours is left as it was", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      setsOurCookie(text);
      const kept = withoutCredentials(["x-any", text, "cookie", text]);
      if (!/sallyport|eyJ|%/i.test(text) && text !== "") expect(kept).toEqual(["x-any", text, "cookie", text]);
    }),
  );
});
