import * as z from "zod";
import { parseAddress } from "../../shared/address/address.ts";
import { parseClaims, TOKEN_KINDS } from "../../shared/rule/claims.ts";
import { parseEdgeUrl } from "../../shared/address/edge-url.ts";
import { formatEndpoint, parseEndpoint } from "../../shared/address/endpoint.ts";
import { parseMapping } from "../../shared/rule/mapping.ts";
import { parseName } from "../../shared/address/name.ts";
import type { Result } from "../../shared/result.ts";
import { conform } from "../../shared/schema.ts";
import { GrantMappings } from "./grants.ts";
import { publicHalf } from "./keys.ts";

// Schemas of the rows that an import accepts, by the same grammars as the API. A value that they refuse would fail later, in
// every request that reads it, such as `status`.

/** Milliseconds since 1970, up to the year 9999: formatting a much later date throws. */
const ms = z
  .int()
  .nonnegative()
  .max(Date.UTC(10_000, 0) - 1);
const count = z.int().nonnegative();
/** A counter that grows by one. The limit lets it go on growing, and keeps SQLite's sums within 64 bits. */
const number = z
  .int()
  .nonnegative()
  .max(2 ** 40);
const id = number.positive();
const text = z.string().max(100_000);
/** A name, an address or a short phrase. */
const word = z.string().max(256);
const hash = z.string().regex(/^[0-9a-f]{64}$/);
const kid = z.string().regex(/^[\w-]{1,128}$/);
const jti = z.string().regex(/^[\w-]{8,128}$/);

/** The public half of a key: 32 bytes in canonical base64url. */
const verifyingKey = publicHalf.extend({ x: z.string().regex(/^[\w-]{42}[AEIMQUYcgkosw048]$/) });

/** The exported columns of each table. */
export const ROWS = {
  urls: z.strictObject({
    url: canonical(parseEdgeUrl, ({ text: url }) => url),
    since: ms,
  }),
  keys: z.strictObject({
    kid,
    jwk: json((value) => conform(verifyingKey, value, "bad-claims")),
    created: ms,
    needed_until: ms,
  }),
  sites: z.strictObject({
    name: canonical(siteName, (name) => name),
    generation: number.positive(),
    revision: number,
    created: ms,
    removed: ms.nullable(),
  }),
  mappings: z
    .strictObject({
      id,
      rule: json(() => undefined),
      revision: number,
      created: ms,
      created_by: word,
      changed: ms,
      changed_by: word,
    })
    .superRefine(({ id: mapping, rule }, context) => {
      const draft = parseMapping(JSON.parse(rule));
      if (draft.ok) return;
      const { error: fault } = draft;
      context.addIssue({
        code: "custom",
        path: ["rule"],
        message: `mapping ${mapping}: ${fault.message}`,
        params: { fault },
      });
    }),
  /** Endpoints that a mapping gave up, and when: tokens issued before then do not open the endpoint's next mapping. */
  vacated: z.strictObject({ mapping: id, endpoint: canonical(parseEndpoint, formatEndpoint), owner: word, ended: ms }),
  reassigned: z.strictObject({ mapping: id, since: ms }),
  uses: z.strictObject({ mapping: id, last: ms }),
  refused: z.strictObject({ mapping: id, count }),
  grants: z.strictObject({
    id: z.string().regex(/^[\w-]{1,64}$/),
    link: hash,
    mappings: json((value) => conform(GrantMappings, value, "bad-mapping")),
    recipient: z.string().max(100),
    created: ms,
    until: ms,
    created_by: word,
    ipv4: addressOf(4).nullable(),
    ipv6: addressOf(6).nullable(),
  }),
  tokens: z
    .strictObject({
      jti,
      kind: z.enum(TOKEN_KINDS),
      sub: word,
      site: canonical(siteName, (name) => name).nullable(),
      issued: ms,
      expires: ms,
      issued_by: word,
      claims: json(() => undefined),
      revoked: ms.nullable(),
      kid: kid.nullable(),
    })
    .superRefine((row, context) => {
      const claims = parseClaims(row.kind, JSON.parse(row.claims));
      const problem = claims.ok ? disagreement(row, claims.value) : claims.error.message;
      if (problem !== undefined) context.addIssue({ code: "custom", path: ["claims"], message: problem });
    }),
  spent: z.strictObject({ jti, bytes: count }),
  usage: z.strictObject({ site: word, day: z.iso.date(), requests: count, messages: count, active_ms: count }),
  audit: z.strictObject({
    at: ms,
    actor: word,
    action: word,
    subject: z.string().max(1_024),
    detail: text,
    source: word,
    // Absent from exports of format 1. `payer`: the identity whose share of the audit log the entry counts against.
    payer: word.optional(),
    count: number.positive().optional(),
    last: ms.nullable().optional(),
  }),
} as const satisfies Record<string, z.ZodObject>;

/** Rows of every table. */
export type Tables = { [T in keyof typeof ROWS]: z.infer<(typeof ROWS)[T]>[] };

type TokenRow = { jti: string; sub: string; site: string | null; issued: number; expires: number };
type SomeClaims = { jti: string; sub: string; site?: string; iat: number; exp: number };

/** Describes a column that differs from the claims: tokens are found by columns but checked by claims. */
function disagreement(row: TokenRow, claims: SomeClaims): string | undefined {
  const { jti: name, sub, site = null, iat, exp } = claims;
  const claimed = { jti: name, sub, site, issued: iat * 1000, expires: exp * 1000 };
  const field = (["jti", "sub", "site", "issued", "expires"] as const).find((each) => row[each] !== claimed[each]);
  return field === undefined
    ? undefined
    : `${field} is ${String(claimed[field])} in the claims, not ${String(row[field])}`;
}

function siteName(given: string): Result<string> {
  return parseName(given, "site");
}

/** A string that `parse` accepts, in its canonical spelling, because look-ups compare text. */
function canonical<T>(parse: (given: string) => Result<T>, format: (value: T) => string) {
  return z.string().superRefine((given, context) => {
    const parsed = parse(given);
    if (!parsed.ok)
      context.addIssue({ code: "custom", message: parsed.error.message, params: { fault: parsed.error } });
    else if (format(parsed.value) !== given)
      context.addIssue({ code: "custom", message: `must be written ${format(parsed.value)}` });
  });
}

function addressOf(version: 4 | 6) {
  return canonical(parseAddress, (address) => address.text).refine(
    (given) => given.includes(":") === (version === 6),
    `is not an IPv${version} address`,
  );
}

/** A string of JSON whose value passes `check`. */
function json(check: (value: unknown) => Result<unknown> | undefined) {
  return text.superRefine((given, context) => {
    let value: unknown;
    try {
      value = JSON.parse(given);
    } catch {
      // `continue: false`, because the row's own refinement parses this text.
      return context.addIssue({ code: "custom", message: "is not JSON", continue: false });
    }
    const checked = check(value);
    if (checked?.ok === false) context.addIssue({ code: "custom", message: checked.error.message });
  });
}
