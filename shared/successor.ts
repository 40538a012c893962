import type { Claims } from "./rule/claims.ts";
import { parseEdgeUrl } from "./address/edge-url.ts";
import { fault, ok, quote, type Result } from "./result.ts";

/**
 * Claims in which a renewed token may differ. All others must be the same, those of later versions too.
 */
const OWN: ReadonlySet<string> = new Set(["iat", "exp", "jti", "iss"]);

/**
 * Checks a renewed token for the end that holds the present one. The end can't verify a signature, and a hostile edge could sign
 * anything. The new token must have the same claims, live no longer, and name a URL that is no less protected. Returns `offered`,
 * or fault(bad-claims) with the difference.
 */
export function checkSuccessor<C extends Claims>(present: C, offered: C): Result<C> {
  const [before, after] = [claimTexts(present), claimTexts(offered)];
  const different = [...new Set([...before.keys(), ...after.keys()])].filter(
    (name) => !OWN.has(name) && before.get(name) !== after.get(name),
  );
  if (different.length > 0) {
    const said = different.map((name) => `${name} is ${shown(after.get(name))}, and was ${shown(before.get(name))}`);
    return refuse(said.join("; "));
  }
  const [life, longest] = [offered.exp - offered.iat, present.exp - present.iat];
  if (life > longest) return refuse(`it lives ${life} s, and the present one ${longest} s`);
  if (offered.exp < present.exp) return refuse("it ends before the present one");
  if (!mayMove(present.iss, offered.iss)) return refuse(`iss is ${quote(offered.iss)}, and was ${quote(present.iss)}`);
  return ok(offered);
}

/**
 * Whether an edge may move an end from one URL to another, which it dials at its next start. The new URL must be encrypted, so
 * that a certificate proves the name, or as plain as before; and loopback only if it was loopback before.
 */
function mayMove(from: string, to: string): boolean {
  const [before, after] = [parseEdgeUrl(from), parseEdgeUrl(to)];
  if (!before.ok || !after.ok) return from === to;
  if (after.value.isLoopback) return before.value.isLoopback;
  return !after.value.isPlain || (before.value.isPlain && !before.value.isLoopback);
}

function refuse<C>(difference: string): Result<C> {
  return fault("bad-claims", `it is no successor of the present token: ${difference}`);
}

/** Writes each claim as text for comparing: parsed claims have one spelling. */
function claimTexts(claims: Claims): Map<string, string> {
  return new Map(Object.entries(claims).map(([name, value]) => [name, JSON.stringify(value)]));
}

function shown(text: string | undefined): string {
  return text === undefined ? "absent" : quote(text);
}
