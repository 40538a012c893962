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
  /** Whom failures are counted against: an address, or a network of them. */
  source: string;
  /** The very address, for the audit. */
  from: string;
  /** Seconds; absent: the default for admin tokens. */
  life?: number;
  readOnly?: boolean;
  /** Hash of the key of a browser's session. */
  session?: string;
};

/** What a login gives: an admin token and the canonical URL. */
export type LoginResult = Issued & { url: string };

/** Exchanges the admin secret for an admin token. The first login ever gives the edge its canonical URL. */
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
  // One source may be a whole office or carrier: if a failed guess blocked it, any neighbour could keep the owner out. A long
  // secret can't be guessed at any rate, so it is compared anyway. A short one is protected by nothing but the wait.
  if (wait > 0 && !isUnguessable(expected))
    return refused(loginPenalty(`Logins from ${source} wait another ${wait} s.`, wait));
  // Counted before the comparison, so that attempts which arrive during it find the wait.
  if (wait === 0) penalties.fail(source, now);
  if (!(await isSameSecret(secret, expected))) return refused(wait === 0 ? WRONG : wrongAgain(source, wait));
  penalties.forgive(source);
  if (store.urls.canonical() === undefined && url !== undefined) store.urls.adopt(url.value.text, now);
  const canonical = store.urls.canonical();
  if (canonical === undefined) {
    return refused({
      status: 422,
      code: "url-unknown",
      title: "Not on this edge",
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
  fix: "Self-hosted it is in DIR/admin-secret; on Cloudflare, wrangler secret put ADMIN_SECRET sets a new one.",
};

function wrongAgain(source: string, wait: number): Problem {
  const detail = `That is not the admin secret, and wrong ones came from ${source} before: they wait another ${wait} s.`;
  return { ...loginPenalty(detail, wait), fix: "Try again then. The right one is taken at any time." };
}

function loginPenalty(detail: string, wait: number): Problem {
  return {
    status: 429,
    code: "login-penalty",
    title: "Too many failed logins",
    detail,
    fix: "Try again then.",
    retryAfter: wait,
  };
}
