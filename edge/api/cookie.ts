import { cookieName, cookieValue } from "../../shared/http/credentials.ts";
import { KEY_PROTOCOL } from "../../shared/rule/live.ts";
import { secretHash } from "../registry/secret.ts";
import type { ApiContext } from "./context.ts";

// A browser's session has two halves, a token and a key. The token is in a cookie that no script can read. Cookies ignore ports,
// so the browser also sends it to services mapped to other ports of this host. The key is in the page's storage, which belongs to
// one origin, including its port. Each half is useless alone, and no other origin can send the key, so CSRF is not possible.

/** Request header with the session's key. */
export const KEY_HEADER = "x-sallyport-session";

/** Names the session cookie after the port, so that edges on several ports of one machine don't overwrite each other's. */
function sessionCookie(c: ApiContext): string {
  const { scheme, port } = c.env.visit;
  return cookieName(`admin-${port}`, scheme);
}

/** Tells whether browser sessions are allowed: only on the control host. On other hosts, other pages share the cookies. */
export function mayHaveSession(c: ApiContext): boolean {
  return c.env.visit.kind === "control";
}

/** Returns the token in the session cookie; null if there is none or another origin's page sent the request. */
export function sessionToken(c: ApiContext): string | null {
  if (!mayHaveSession(c) || !isOwnPage(c)) return null;
  return cookieValue(c.req.header("cookie") ?? null, sessionCookie(c));
}

/** Tells whether the request has the key whose hash is `session`. */
export async function hasKey(c: ApiContext, session: string): Promise<boolean> {
  const offered = (c.req.header("sec-websocket-protocol") ?? "").split(",").map((each) => each.trim());
  const inProtocol = offered.find((each) => each.startsWith(KEY_PROTOCOL))?.slice(KEY_PROTOCOL.length);
  const key = c.req.header(KEY_HEADER) ?? inProtocol;
  // Comparing hashes need not take constant time: the time says nothing about the key.
  return key !== undefined && key !== "" && (await secretHash(key)) === session;
}

/** Tells whether the browser says that a page of this origin, port included, sent the request. Programs send neither header. */
export function isOwnPage(c: ApiContext): boolean {
  const { scheme, host } = c.env.visit;
  const site = c.req.header("sec-fetch-site");
  const origin = c.req.header("origin");
  return (site === undefined || site === "same-origin") && (origin === undefined || origin === `${scheme}://${host}`);
}

/** Sets the session cookie for a number of seconds; 0 removes it. */
export function setSessionCookie(c: ApiContext, token: string, seconds: number): void {
  const secure = c.env.visit.scheme === "https" ? "; Secure" : "";
  c.header(
    "set-cookie",
    `${sessionCookie(c)}=${token}; Path=/; HttpOnly; SameSite=Strict${secure}; Max-Age=${Math.max(0, seconds)}`,
  );
}
