import type { FlatHeaders } from "./head.ts";

// The edge's own credentials in a visitor's request: tokens and cookies. A target gets none of them and can't set one.

/** Prefix of the edge's own cookies, after `__Host-` with TLS. */
export const COOKIE_PREFIX = "sallyport-";

/** Path of one-time links: each admits the address that it is opened from. */
const GRANT_LINKS = "/.sallyport/grant/";

/** Makes the name of one of the edge's own cookies. With TLS, browsers accept it only from this host and for all its paths. */
export function cookieName(name: string, scheme: "http" | "https"): string {
  return `${scheme === "https" ? "__Host-" : ""}${COOKIE_PREFIX}${name}`;
}

/** Reads a cookie by its exact name; null if there is none. */
export function cookieValue(header: string | null, name: string): string | null {
  for (const pair of (header ?? "").split(";")) {
    const at = pair.indexOf("=");
    if (at > 0 && pair.slice(0, at).trim() === name) return pair.slice(at + 1).trim();
  }
  return null;
}

/** Removes the edge's tokens, cookies and grant links from a request's headers (`name, value, …`, names in lower case). */
export function withoutCredentials(headers: FlatHeaders): string[] {
  const out: string[] = [];
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at] ?? "";
    const value = headers[at + 1] ?? "";
    if (name === "cookie") {
      const kept = withoutOurCookies(value);
      if (kept !== "") out.push(name, kept);
    } else if (!(name === "referer" && value.includes(GRANT_LINKS)) && !holdsOurToken(value)) {
      out.push(name, value);
    }
  }
  return out;
}

/** Whether a target's `Set-Cookie` would replace one of the edge's cookies, however it is spelled. */
export function setsOurCookie(setCookie: string): boolean {
  const end = setCookie.indexOf(";");
  return isOurCookie(end < 0 ? setCookie : setCookie.slice(0, end));
}

function withoutOurCookies(header: string): string {
  if (!/sallyport|eyJ|%/i.test(header)) return header;
  const pairs = header.split(";");
  const kept = pairs.filter((pair) => !isOurCookie(pair) && !holdsOurToken(pair));
  return kept.length === pairs.length ? header : kept.join(";").trim();
}

/**
 * Whether a browser or a server could read a cookie as one of the edge's. `=sallyport-1=x`, which has no name, is sent back as
 * `sallyport-1=x`; quotes, escapes, case and the prefixes that browsers know are ignored.
 */
function isOurCookie(pair: string): boolean {
  const plain = pair
    .replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
    .replace(/^[\s\p{Cc}"'=]+/u, "")
    .toLowerCase()
    .replace(/^(?:__(?:host-http|host|secure|http)-)+/, "");
  return plain.startsWith(COOKIE_PREFIX);
}

const TOKENS = /eyJ[\w-]+(?=\.[\w-]+\.[\w-]*)/g;
const BASIC = /^\s*basic\s+([A-Za-z0-9+/=_-]+)/i;

/**
 * Whether a token that an edge like this one has issued stands in a text: by itself, after any scheme, or as a password of
 * Basic.
 */
export function holdsOurToken(text: string): boolean {
  const basic = text.length < 16 ? null : BASIC.exec(text);
  const plain = basic === null ? text : decodeBase64(basic[1] ?? "");
  if (!plain.includes("eyJ")) return false;
  return (plain.match(TOKENS) ?? []).some((header) => isOurs(decodeBase64(header)));
}

/** By the `typ` of its header; the signature and the expiry don't matter, because no target has a use for such a token. */
function isOurs(header: string): boolean {
  try {
    const { typ } = JSON.parse(header) as { typ?: unknown };
    return typeof typ === "string" && /^(?:application\/)?sallyport-/i.test(typ);
  } catch {
    return false;
  }
}

/** Decodes base64 of either alphabet to one character for each byte; "" if it is malformed. */
function decodeBase64(text: string): string {
  try {
    return atob(text.replaceAll("-", "+").replaceAll("_", "/").replace(/=+$/, ""));
  } catch {
    return "";
  }
}
