import { parseEdgeUrl } from "../../shared/address/edge-url.ts";
import { invalid, refused, type Outcome, type Problem } from "../problem.ts";
import type { LoginPenalties } from "./login-penalties.ts";
import { isUnguessable, isSameSecret } from "./secret.ts";
import type { Actor } from "./actor.ts";
import type { Store } from "./store.ts";
import { issueToken, type Issued } from "./token-changes.ts";

export type LoginRequest = {
  secret: string;
  /** The URL by which the client reached the edge. Never taken from a Host header. */
  url?: string;
  /** The IPv4 address or IPv6 network that failures are counted against. */
  source: string;
  /** The exact address, for the audit. */
  from: string;
  /** Seconds; absent: the default for admin tokens. */
  life?: number;
  readOnly?: boolean;
  /** Hash of a browser session's key. */
  session?: string;
};

/** The result of a login: an admin token and the canonical URL. */
export type LoginResult = Issued & { url: string };

/** Exchanges the admin secret for an admin token. The first login sets the edge's canonical URL. Fails on a wrong secret. */
export async function login(
  store: Store,
  penalties: LoginPenalties,
  expected: string,
  request: LoginRequest,
  now: number,
): Promise<Outcome<LoginResult>> {
  const { secret, source, from, life, readOnly, session } = request;
  const url = request.url === undefined ? undefined : parseEdgeUrl(request.url);
  if (url?.ok === false) return invalid(url.error);
  const wait = Math.ceil(penalties.wait(source, now) / 1000);
  // One source may be a whole office or carrier. If failed guesses blocked it, any neighbour could keep the owner out. A long
  // secret can't be guessed at any rate, so it is compared even during the wait. A short one is protected only by the wait.
  if (wait > 0 && !isUnguessable(expected))
    return refused(
      loginPenalty(`Logins from ${source} are refused for another ${wait} s after failed attempts.`, wait),
    );
  // Counted before the comparison, so that attempts that arrive during it have to wait.
  if (wait === 0) penalties.fail(source, now);
  if (!(await isSameSecret(secret, expected))) return refused(wait === 0 ? WRONG : wrongAgain(source, wait));
  penalties.forgive(source);
  if (store.urls.canonical() === undefined && url !== undefined) store.urls.adopt(url.value.text, now);
  const canonical = store.urls.canonical();
  if (canonical === undefined) {
    return refused({
      status: 422,
      code: "url-unknown",
      title: "URL unknown",
      detail: "The edge does not know its own URL yet.",
      fix: "sallyport login URL",
    });
  }
  const actor: Actor = { name: "login", from, now };
  const issued = await issueToken(store, canonical, { kind: "admin", readOnly, life }, actor, { session });
  return issued.ok ? { ok: true, value: { ...issued.value, url: canonical } } : issued;
}

const WRONG: Problem = {
  status: 401,
  code: "secret-wrong",
  title: "Login refused",
  detail: "That is not the admin secret of this edge.",
  fix: "Self-hosted, it is in DIR/admin-secret; on Cloudflare, set a new one: wrangler secret put ADMIN_SECRET",
};

function wrongAgain(source: string, wait: number): Problem {
  const detail = `That is not the admin secret, and logins from ${source} failed before: wait another ${wait} s.`;
  return { ...loginPenalty(detail, wait), fix: `Try again in ${wait} s. The right secret is accepted at any time.` };
}

function loginPenalty(detail: string, wait: number): Problem {
  return {
    status: 429,
    code: "login-penalty",
    title: "Too many failed logins",
    detail,
    fix: `Try again in ${wait} s.`,
    retryAfter: wait,
  };
}
