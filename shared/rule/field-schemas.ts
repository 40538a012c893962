import * as z from "zod";
import { parseCidr } from "../address/cidr.ts";
import { parseHost, parseHostName } from "../address/host.ts";
import { parsePort } from "../address/ports.ts";
import { formatHostPort, splitHostPort } from "../address/socket-address.ts";
import { fault, ok, quote, type Result } from "../result.ts";
import { canonicalText } from "../schema.ts";

// Grammars of a mapping's fields that take more than a line of the table in mapping-fields.ts.

/** Entries in one list of source CIDRs: each connection is matched against all of them. */
const MAX_CIDRS = 256;
/** Largest limit on streams at once, or on new ones in a second: set no limit instead of a larger one. */
const MAX_RATE = 100_000;
/** Characters of a CA bundle in PEM: a handful of certificates. */
const MAX_CA = 32 * 1024;

/** Tags of one mapping, each counted once. */
const MAX_TAGS = 16;
/** Tags that one request may name for a mapping, with those that are named twice. */
const MAX_TAGS_GIVEN = 256;

const PEM = /^(?:\s*-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----)+\s*$/;

export const cidrs = z.array(canonicalText(parseCidr, (cidr) => cidr.text)).max(MAX_CIDRS);

export const rate = z.int().positive().max(MAX_RATE);

export const certificates = z.string().max(MAX_CA).regex(PEM, "is not a list of PEM certificates");

export const hostName = canonicalText(parseHostName, (name) => name);

/** Each tag once, in the order of the alphabet. */
export const tags = z
  .array(canonicalText(parseTag, (tag) => tag))
  .max(MAX_TAGS_GIVEN)
  .transform((given) => [...new Set(given)].toSorted())
  .refine((each) => each.length <= MAX_TAGS, {
    error: ({ input }) =>
      `${(input as string[]).length} tags are too many. A mapping has at most ${MAX_TAGS}: leave some out.`,
  });

/** The Host that a target sees: `visitor` (as asked for), `target` (its own), or a fixed HOST[:PORT]. */
export const hostHeader = z.union([z.enum(["visitor", "target"]), canonicalText(parseHostHeader, (text) => text)]);

/** A word that mappings are found by: `office`, `floor-2`. */
export function parseTag(text: string): Result<string> {
  if (/^[a-z0-9._-]{1,32}$/.test(text)) return ok(text);
  return fault(
    "bad-name",
    `${quote(text)} is not a tag.`,
    "Use 1 to 32 lower-case letters, digits, hyphens, underscores and dots.",
  );
}

function parseHostHeader(text: string): Result<string> {
  const split = splitHostPort(text);
  if (!split) return fault("bad-host", "A Host header is HOST or HOST:PORT.");
  const host = parseHost(split);
  if (!host.ok || split.port === undefined) return host;
  const port = parsePort(split.port);
  return port.ok ? ok(formatHostPort(host.value, port.value)) : port;
}
