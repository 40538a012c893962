import * as z from "zod";
import { type Address, parseAddress } from "../address/address.ts";
import { isLoopback } from "../address/address-class.ts";
import { parseCidr } from "../address/cidr.ts";
import type { Endpoint } from "../address/endpoint.ts";
import { parseName } from "../address/name.ts";
import { isWithin, parseScopes } from "./reach.ts";
import { all, fault, unwrap, type Result } from "../result.ts";
import { conform, canonicalText } from "../schema.ts";
import { formatScope, parseScope } from "./scope.ts";
import {
  formatTargetRule,
  leavesLoopbackToAgent,
  type NetworkRule,
  parseNetworkRule,
  permits,
} from "../address/target-rule.ts";

export const TOKEN_KINDS = ["agent", "visitor", "gateway", "admin"] as const;
export type TokenKind = (typeof TOKEN_KINDS)[number];

/** The `aud` of a kind. It and `typ` keep a token of one kind from passing as another (RFC 8725 section 3.11). */
export function audienceOf<K extends TokenKind>(kind: K): `sallyport:${K}` {
  return `sallyport:${kind}`;
}

/** The `typ` in the header of a kind's tokens. */
export function typeOf<K extends TokenKind>(kind: K): `sallyport-${K}+jwt` {
  return `sallyport-${kind}+jwt`;
}

/** Entries in one list of a token: it has to fit in a header. */
const MAX_LIST = 64;
/** Longest life of a token in seconds: ten years, so that a forgotten token ends one day. */
const MAX_LIFETIME = 10 * 366 * 24 * 3600;
/** Seconds since 1970 at the end of the year 9999: a later time is a mistake, such as one in milliseconds. */
const LAST_SECOND = 253_402_300_799;

const scopes = z.array(canonicalText(parseScope, formatScope)).min(1).max(MAX_LIST);
const cidrs = z
  .array(canonicalText(parseCidr, (cidr) => cidr.text))
  .min(1)
  .max(MAX_LIST);
const addresses = z
  .array(canonicalText(parseAddress, (address) => address.text))
  .min(1)
  .max(MAX_LIST);
const rules = z.array(canonicalText(parseNetworkRule, formatTargetRule)).min(1).max(MAX_LIST);
const seconds = z.int().positive().max(LAST_SECOND);
const amount = z.int().positive();

/** Most streams at once, and most bytes in both directions in the token's life. */
const caps = z.strictObject({ streams: amount.optional(), bytes: amount.optional() });
export type Caps = z.output<typeof caps>;

function claimsOf<K extends TokenKind, S extends z.ZodRawShape>(kind: K, scope: S) {
  // Strict: only edges sign tokens, so an unknown claim is a restriction of a newer edge, which must not be ignored.
  return z.strictObject({
    /** The edge's canonical URL, without a path. */
    iss: z
      .string()
      .max(256)
      .regex(/^https?:\/\/[^\s/?#@]+$/),
    /** The identity; it stays the same when a token is renewed. */
    sub: z.string().regex(/^[\x21-\x7e]{1,128}$/),
    aud: z.literal(audienceOf(kind)),
    iat: seconds,
    exp: seconds,
    jti: z.string().regex(/^[\w-]{8,128}$/),
    ...scope,
  });
}

const SCHEMAS = {
  agent: claimsOf("agent", {
    site: canonicalText(
      (text) => parseName(text, "site"),
      (name) => name,
    ),
    /** CIDR:PORTS. Never empty: a token for any target lists networks, too (OTHER_MACHINES or EVERY_TARGET). */
    targets: rules,
    /** Endpoints it may create mappings for; absent: none. */
    publish: scopes.optional(),
  }),
  visitor: claimsOf("visitor", {
    endpoints: scopes,
    /** Source CIDRs; absent: from anywhere. */
    from: cidrs.optional(),
    caps: caps.optional(),
  }),
  gateway: claimsOf("gateway", {
    endpoints: z.union([z.literal("*"), scopes]),
    /** Local addresses it may listen on; `0.0.0.0` and `::` stand for all of their family. */
    bind: z.union([z.literal("*"), addresses]),
  }),
  admin: claimsOf("admin", {
    readOnly: z.boolean(),
    /**
     * SHA-256, in hex, of a key that must accompany this token. Only in the token of a browser's session, which is useless without
     * the key.
     */
    session: z
      .string()
      .regex(/^[0-9a-f]{64}$/)
      .optional(),
  }),
};

export type ClaimsOf<K extends TokenKind> = z.output<(typeof SCHEMAS)[K]>;
export type AgentClaims = ClaimsOf<"agent">;
export type VisitorClaims = ClaimsOf<"visitor">;
export type GatewayClaims = ClaimsOf<"gateway">;
export type AdminClaims = ClaimsOf<"admin">;
export type Claims = AgentClaims | VisitorClaims | GatewayClaims | AdminClaims;

/** The claims of a verified token of this kind; all spellings in them are canonical. Doesn't look at the clock: `lifeOf` does. */
export function parseClaims<K extends TokenKind>(kind: K, payload: unknown): Result<ClaimsOf<K>> {
  const schema: z.ZodType<Claims> = SCHEMAS[kind];
  const parsed = conform(schema, payload, "bad-claims");
  const life = parsed.ok ? parsed.value.exp - parsed.value.iat : undefined;
  if (life !== undefined && !(life > 0 && life <= MAX_LIFETIME)) {
    return fault("bad-claims", "exp: a token lives for at least a second and at most ten years.");
  }
  // The schema of `kind` gives the claims of `kind`; indexing by K is beyond the compiler.
  return parsed as Result<ClaimsOf<K>>;
}

/** Cached: the parsed rules of a token's targets, which are the same for every dial of an agent. */
const parsedTargets = new WeakMap<readonly string[], readonly NetworkRule[]>();

/**
 * Whether an agent's token lets it dial this resolved address and port. A token that was requested without targets leaves the agent's
 * own loopback to the agent's own rules (`leavesLoopbackToAgent`).
 */
export function mayReach(
  { targets }: { readonly targets: readonly string[] },
  address: Address,
  port: number,
): boolean {
  if (isLoopback(address) && leavesLoopbackToAgent(targets)) return true;
  const parsed = parsedTargets.get(targets) ?? unwrap(all(targets, parseNetworkRule));
  parsedTargets.set(targets, parsed);
  return permits(parsed, { host: address.text, address, port });
}

/** Whether an agent may create a mapping at this endpoint. */
export function mayPublish(claims: AgentClaims, endpoint: Endpoint): boolean {
  return isWithin(endpoint, parseScopes(claims.publish ?? []));
}

/** Whether a gateway may listen on this local address. */
export function mayBind(claims: GatewayClaims, address: Address): boolean {
  const everything = address.version === 4 ? "0.0.0.0" : "::";
  return claims.bind === "*" || claims.bind.includes(address.text) || claims.bind.includes(everything);
}

/** Whether an admin may change things. */
export function mayChange(claims: AdminClaims): boolean {
  return !claims.readOnly;
}
