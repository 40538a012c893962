import { parseAuthority, type Authority } from "../address/http-authority.ts";

// A browser sends a cookie with every request, whichever page causes it. SameSite keeps other sites out, but not other hosts of
// the same site, nor other ports. So what the browser says about the page decides whether a login by cookie counts.

/** The parts of a request that decide whether a login by cookie counts; headers as received, null if absent. */
export type CookieRequest = {
  readonly method: string;
  /** Whether it opens a WebSocket, which any page may do, and whose messages it can then read. */
  readonly upgrade: boolean;
  readonly origin: string | null;
  readonly secFetchSite: string | null;
};

const SAFE: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/**
 * Whether a login by cookie counts for a request to `own`. GET, HEAD and OPTIONS change nothing and come from links anywhere, so
 * any page may send them that the cookie's SameSite allows. Every other request has to come from a page of the same origin, or
 * from no page: a client that sends neither Origin nor Sec-Fetch-Site is not a browser.
 */
export function acceptsCookieLogin(asker: CookieRequest, own: Authority): boolean {
  if (SAFE.has(asker.method) && !asker.upgrade) return true;
  const { origin, secFetchSite } = asker;
  // A page without referrers sends `Origin: null` even to its own host; then only Sec-Fetch-Site tells.
  if (origin !== null && !(origin === "null" && secFetchSite === "same-origin") && !isOrigin(origin, own)) return false;
  return secFetchSite === null || secFetchSite === "same-origin" || secFetchSite === "none";
}

/** Whether an Origin header names this scheme, host and port. */
export function isOrigin(origin: string, own: Authority): boolean {
  const [, scheme, rest = ""] = /^(https?):\/\/(.*)$/.exec(origin) ?? [];
  if (scheme !== own.scheme) return false;
  const parsed = parseAuthority(rest, own.scheme);
  return parsed !== undefined && parsed.host === own.host && parsed.port === own.port;
}
