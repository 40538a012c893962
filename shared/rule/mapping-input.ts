import * as z from "zod";
import { parseCidr } from "../address/cidr.ts";
import { formatEndpoint, parseEndpoint } from "../address/endpoint.ts";
import { parseHost, parseHostName } from "../address/host.ts";
import { parseName } from "../address/name.ts";
import { parsePort } from "../address/ports.ts";
import { fault, ok, type Result } from "../result.ts";
import { line, moment, spelled } from "../schema.ts";
import { formatHostPort, splitHostPort } from "../address/socket-address.ts";
import { formatTarget, parseTarget } from "../address/target.ts";

/** Entries in one list of source CIDRs: each connection is matched against all of them. */
const MAX_CIDRS = 256;
/** Streams that one mapping may be allowed at once, or new in a second: above it, no limit is the honest setting. */
const MAX_RATE = 100_000;
/** Characters of a CA bundle in PEM: a handful of certificates. */
const MAX_CA = 32 * 1024;

const PEM = /^(?:\s*-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----)+\s*$/;

const cidrs = z.array(spelled(parseCidr, (cidr) => cidr.text)).max(MAX_CIDRS);
const rate = z.int().positive().max(MAX_RATE).nullable().default(null);

/** How a target is spoken to behind an `http(s)://` endpoint. */
export const HttpOptionsInput = z.strictObject({
  /** The Host a target sees: `visitor` (as asked for), `target` (its own), or a fixed HOST[:PORT]. */
  hostHeader: z.union([z.enum(["visitor", "target"]), spelled(parseHostHeader, (text) => text)]).default("visitor"),
  /** Whether the target's certificate must be valid: for the name in `sni`, else for the target's host. */
  tlsVerify: z.boolean().default(true),
  /** PEM certificates to trust instead of the public ones. */
  ca: z.string().max(MAX_CA).regex(PEM, "is not a list of PEM certificates").nullable().default(null),
  /** The host name asked for in TLS, and checked; null: the target's. */
  sni: spelled(parseHostName, (name) => name)
    .nullable()
    .default(null),
  /** Whether the endpoint's prefix is part of the path that the target sees. */
  prefix: z.enum(["keep", "strip"]).default("keep"),
  /** Whether redirects and cookies that name the target's own host or path are put back under the endpoint. */
  rewrite: z.boolean().default(true),
});

/** What a user gives; everything but the first three has a default. Unknown fields are refused: they are typing errors. */
export const MappingInput = z.strictObject({
  endpoint: spelled(parseEndpoint, formatEndpoint),
  site: spelled(
    (text) => parseName(text, "site"),
    (name) => name,
  ),
  target: spelled(parseTarget, formatTarget),
  name: line(100).default(""),
  owner: line(100).default(""),
  note: line(1000).default(""),
  /** Whom it is open to: absent, `public` for ports and hosts, `token` for `SITE/NAME`. */
  access: z.enum(["public", "token"]).optional(),
  /** Source CIDRs: deny wins, and an empty `allow` is everyone. */
  allow: cidrs.default([]),
  deny: cidrs.default([]),
  /** Milliseconds since 1970, or ISO 8601; null: never. */
  expires: moment().nullable().default(null),
  /** Streams and flows at once. */
  maxStreams: rate,
  newPerSecond: rate,
  /** Of each direction, over all its streams. */
  bytesPerSecond: z.int().min(1024).nullable().default(null),
  http: HttpOptionsInput.nullable().default(null),
  /** TCP: the visitor's address, told to the target in a PROXY protocol header. */
  proxyProtocol: z.enum(["v1", "v2"]).nullable().default(null),
  /** What a visitor of a port that the Worker owns sees when a stream is lost: an ordinary end, or nothing more, ever. */
  onLoss: z.enum(["close", "hang"]).default("close"),
  /** UDP: seconds without a datagram after which a flow is forgotten; null: the edge's default. */
  idleSeconds: z.int().min(5).max(86_400).nullable().default(null),
  /** UDP: the target is known to answer much with little, and may do so to addresses that have proved nothing. */
  reflectorOk: z.boolean().default(false),
});

export type MappingInput = z.input<typeof MappingInput>;
export type HttpOptions = z.output<typeof HttpOptionsInput>;
export type Access = "public" | "token";

/** A valid mapping that isn't in the register yet: every spelling canonical, every default filled in. It is valid input itself. */
export type MappingDraft = Readonly<Omit<z.output<typeof MappingInput>, "access">> & { readonly access: Access };

function parseHostHeader(text: string): Result<string> {
  const split = splitHostPort(text);
  if (!split) return fault("bad-host", "A Host header is HOST or HOST:PORT.");
  const host = parseHost(split);
  if (!host.ok || split.port === undefined) return host;
  const port = parsePort(split.port);
  return port.ok ? ok(formatHostPort(host.value, port.value)) : port;
}
