import { parseAuthority, type Authority } from "../address/http-authority.ts";

// A cookie comes by itself, whichever page has the browser ask: SameSite keeps other sites out, but not the other hosts of
// one's own site, nor other ports. What a browser says about the asking page decides whether a login by cookie counts.

/** What decides about a login by cookie; headers as received, null for none. */
export type CookieRequest = {
  readonly method: string;
  /** Whether a WebSocket is asked for: it is as good as any number of requests, and its answers can be read. */
  readonly upgrade: boolean;
  readonly origin: string | null;
  readonly secFetchSite: string | null;
};

const SAFE: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/**
 * Whether a login by cookie counts for a request to `own`. GET, HEAD and OPTIONS change nothing, and links from anywhere
 * are made of them: they may come from any page that the cookie's SameSite lets in. Everything else has to come from a page
 * of this very origin, or from no page at all: what sends neither Origin nor Sec-Fetch-Site is no browser.
 */
export function acceptsCookieLogin(asker: CookieRequest, own: Authority): boolean {
  if (SAFE.has(asker.method) && !asker.upgrade) return true;
  const { origin, secFetchSite } = asker;
  // A page without referrers says `null` about itself to its own host, too; then only the browser's own word is left.
  if (origin !== null && !(origin === "null" && secFetchSite === "same-origin") && !isOrigin(origin, own)) return false;
  return secFetchSite === null || secFetchSite === "same-origin" || secFetchSite === "none";
}

/** Whether an Origin header names this very scheme, host and port. */
export function isOrigin(origin: string, own: Authority): boolean {
  const [, scheme, rest = ""] = /^(https?):\/\/(.*)$/.exec(origin) ?? [];
  if (scheme !== own.scheme) return false;
  const parsed = parseAuthority(rest, own.scheme);
  return parsed !== undefined && parsed.host === own.host && parsed.port === own.port;
}
