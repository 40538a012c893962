import * as z from "zod";
import { parseCidr } from "../address/cidr.ts";
import { parseHost, parseHostName } from "../address/host.ts";
import { parsePort } from "../address/ports.ts";
import { formatHostPort, splitHostPort } from "../address/socket-address.ts";
import { fault, ok, type Result } from "../result.ts";
import { spelled } from "../schema.ts";

// Grammars of a mapping's fields that take more than a line of the table in mapping-fields.ts.

/** Entries in one list of source CIDRs: each connection is matched against all of them. */
const MAX_CIDRS = 256;
/** Streams that one mapping may be allowed at once, or new in a second: above it, no limit is the honest setting. */
const MAX_RATE = 100_000;
/** Characters of a CA bundle in PEM: a handful of certificates. */
const MAX_CA = 32 * 1024;

const PEM = /^(?:\s*-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----)+\s*$/;

export const cidrs = z.array(spelled(parseCidr, (cidr) => cidr.text)).max(MAX_CIDRS);

export const rate = z.int().positive().max(MAX_RATE);

export const certificates = z.string().max(MAX_CA).regex(PEM, "is not a list of PEM certificates");

export const hostName = spelled(parseHostName, (name) => name);

/** The Host that a target sees: `visitor` (as asked for), `target` (its own), or a fixed HOST[:PORT]. */
export const hostHeader = z.union([z.enum(["visitor", "target"]), spelled(parseHostHeader, (text) => text)]);

function parseHostHeader(text: string): Result<string> {
  const split = splitHostPort(text);
  if (!split) return fault("bad-host", "A Host header is HOST or HOST:PORT.");
  const host = parseHost(split);
  if (!host.ok || split.port === undefined) return host;
  const port = parsePort(split.port);
  return port.ok ? ok(formatHostPort(host.value, port.value)) : port;
}
