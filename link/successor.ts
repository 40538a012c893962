import { parseClaims, typeOf, type ClaimsOf } from "../shared/rule/claims.ts";
import { fault, type Result } from "../shared/result.ts";
import { checkSuccessor } from "../shared/successor.ts";
import { isTokenText } from "../shared/rule/token-text.ts";

/** Kinds of tokens that their holders renew. */
export type RenewableKind = "agent" | "gateway";

/** Characters of the longest token that an edge accepts. */
const MAX_TOKEN = 8192;
/** An Ed25519 signature. */
const SIGNATURE_BYTES = 64;

/**
 * Reads the claims of the token that renews `present`. Returns fault(bad-claims) if it is malformed, or changes a claim that a renewal
 * must keep.
 */
export function readSuccessor<K extends RenewableKind>(
  kind: K,
  present: ClaimsOf<K>,
  token: string,
): Result<ClaimsOf<K>> {
  const payload = payloadOf(token, typeOf(kind));
  if (payload === undefined) return fault("bad-claims", "it does not have the form of a token");
  const offered = parseClaims(kind, payload);
  return offered.ok ? checkSuccessor(present, offered.value) : offered;
}

/** Returns the payload of a token; undefined unless it is a token of this type in canonical form, as an edge writes it. */
function payloadOf(token: string, typ: string): unknown {
  if (token.length > MAX_TOKEN || !isTokenText(token)) return undefined;
  const [head = "", payload = "", signature = ""] = token.split(".");
  if (Buffer.from(signature, "base64url").byteLength !== SIGNATURE_BYTES) return undefined;
  try {
    const { alg, typ: found } = decodePart(head) as { alg?: unknown; typ?: unknown };
    return alg === "EdDSA" && found === typ ? decodePart(payload) : undefined;
  } catch {
    return undefined;
  }
}

function decodePart(part: string): unknown {
  return JSON.parse(Buffer.from(part, "base64url").toString());
}
