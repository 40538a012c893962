import { cookieName, cookieValue } from "../../shared/http/credentials.ts";
import { KEY_PROTOCOL } from "../../shared/rule/live.ts";
import { secretHash } from "../registry/secret.ts";
import type { ApiContext } from "./context.ts";

// The session of a browser is two halves. A cookie that no script can read holds a token; cookies know no ports, though,
// so it also travels to whatever is mapped to another port of this host. The key stays with the page: its storage is of
// one origin, port included. Each half is good for nothing alone, and no other origin can send the key, which settles CSRF.

/** Carries the key of a session with every request. */
export const KEY_HEADER = "x-sallyport-session";

/** Neither another port nor another edge on this machine takes the place of this one's. */
function sessionCookie(c: ApiContext): string {
  const { scheme, port } = c.env.visit;
  return cookieName(`admin-${port}`, scheme);
}

/** Hosts of the edge alone have cookies: elsewhere a page of somebody else's shares them. */
export function mayHaveSession(c: ApiContext): boolean {
  return c.env.visit.kind === "control";
}

/** The token in the session's cookie, if a page of our own sends it; null otherwise. */
export function sessionToken(c: ApiContext): string | null {
  if (!mayHaveSession(c) || !isOwnPage(c)) return null;
  return cookieValue(c.req.header("cookie") ?? null, sessionCookie(c));
}

/** Whether the key that hashes to `session` came with the request. */
export async function hasKey(c: ApiContext, session: string): Promise<boolean> {
  const offered = (c.req.header("sec-websocket-protocol") ?? "").split(",").map((each) => each.trim());
  const inProtocol = offered.find((each) => each.startsWith(KEY_PROTOCOL))?.slice(KEY_PROTOCOL.length);
  const key = c.req.header(KEY_HEADER) ?? inProtocol;
  // Of hashes, a time that tells tells nothing.
  return key !== undefined && key !== "" && (await secretHash(key)) === session;
}

/** A page of this very origin, as far as the browser says: that of another port is not it. */
export function isOwnPage(c: ApiContext): boolean {
  const { scheme, host } = c.env.visit;
  const site = c.req.header("sec-fetch-site");
  const origin = c.req.header("origin");
  return (site === undefined || site === "same-origin") && (origin === undefined || origin === `${scheme}://${host}`);
}

/** `seconds`: how long the browser keeps it; 0 takes it away. */
export function setSessionCookie(c: ApiContext, token: string, seconds: number): void {
  const secure = c.env.visit.scheme === "https" ? "; Secure" : "";
  c.header(
    "set-cookie",
    `${sessionCookie(c)}=${token}; Path=/; HttpOnly; SameSite=Strict${secure}; Max-Age=${Math.max(0, seconds)}`,
  );
}
