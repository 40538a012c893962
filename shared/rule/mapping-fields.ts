import * as z from "zod";
import { formatEndpoint, parseEndpoint } from "../address/endpoint.ts";
import { parseName } from "../address/name.ts";
import { formatTarget, parseTarget } from "../address/target.ts";
import { line, moment, canonicalText } from "../schema.ts";
import type { Field } from "./field.ts";
import { certificates, cidrs, hostHeader, hostName, rate, tags } from "./field-schemas.ts";

// Every field of a mapping; field.ts explains its properties. The grammar of rules, the API and its OpenAPI document, the options
// of `map add` and `map edit`, the dashboard's form, the exports, `map show` and the audit loop over these tables, so that a field
// is added here only.

const text = { kind: "text", view: z.string() } as const;
const list = { kind: "list", view: z.array(z.string()) } as const;
const flip = { kind: "switch", view: z.boolean() } as const;
const number = { kind: "number", view: z.int().min(0).nullable() } as const;
const access = z.enum(["public", "token"]);
const proxyVersion = z.enum(["v1", "v2"]).nullable();
const lossEnding = z.enum(["close", "hang"]);
const prefixUse = z.enum(["keep", "strip"]);

/** The endpoint, site and target of a mapping: the only required fields. */
export const PLACE_FIELDS = {
  endpoint: {
    ...text,
    schema: canonicalText(parseEndpoint, formatEndpoint),
    title: "endpoint",
    column: "Endpoint",
    form: "place",
    label: "Endpoint",
    hint: "What visitors address: 8090/tcp, 5060/udp, 10000-10019/udp, https://shop.example.com, or SITE/NAME for token holders alone.",
    isSearched: true,
    flag: "endpoint",
    argument: "endpoint",
    help: "another endpoint",
  },
  site: {
    ...text,
    schema: canonicalText(
      (name) => parseName(name, "site"),
      (name) => name,
    ),
    title: "site",
    column: "Site",
    form: "place",
    label: "Site",
    isSearched: true,
    flag: "site",
    argument: "site",
    help: "another site",
  },
  target: {
    ...text,
    schema: canonicalText(parseTarget, formatTarget),
    title: "target",
    column: "Target",
    form: "place",
    label: "Target",
    hint: "Where it leads inside the LAN: 192.168.2.102:8090, or https://192.168.2.102.",
    isSearched: true,
    flag: "target",
    argument: "target",
    help: "another target",
  },
} satisfies Record<string, Field>;

/** Fields of every kind of mapping. */
export const COMMON_FIELDS = {
  name: {
    ...text,
    schema: line(100).default(""),
    title: "name",
    column: "Service",
    form: "register",
    label: "Service",
    hint: "What it is.",
    isSearched: true,
    flag: "name",
    argument: "text",
    help: "what it is, for the register",
  },
  owner: {
    ...text,
    schema: line(100).default(""),
    title: "owner",
    column: "Owner",
    form: "register",
    label: "Owner",
    hint: "Whom to ask about it.",
    isSearched: true,
    flag: "owner",
    argument: "text",
    help: "who answers for it",
  },
  note: {
    ...text,
    schema: line(1000).default(""),
    title: "note",
    column: "Why",
    form: "register",
    label: "Why",
    hint: "The reason it is open.",
    isProse: true,
    isSearched: true,
    flag: "note",
    argument: "text",
    help: "why it is there",
  },
  tags: {
    ...list,
    schema: tags.default([]),
    title: "tags",
    column: "Tags",
    form: "register",
    label: "Tags",
    hint: "Lower-case words to find it by: office, camera.",
    isSearched: true,
    flag: "tag",
    argument: "word",
    help: "a word to find it by; repeatable",
    undo: "without tags",
    later: "register",
  },
  /** If absent, `public` for ports and hosts, `token` for `SITE/NAME`. */
  access: {
    kind: "choice",
    choices: {
      "": "As usual for its kind",
      public: "Public: visitors from where it is open to",
      token: "Token: holders of a token or of a grant",
    },
    schema: access.optional(),
    view: access,
    title: "access",
    column: "Access",
    form: "place",
    label: "Access",
    isSearched: true,
    flag: "access",
    argument: "who",
    help: "public, or only by token",
  },
  /** An empty list is every source; `deny` wins. */
  allow: {
    ...list,
    schema: cidrs.default([]),
    title: "allowed from",
    column: "Allowed from",
    form: "visitors",
    label: "Open to",
    hint: "Addresses or networks, one on a line. Empty: everyone.",
    none: "everyone",
    flag: "allow-from",
    argument: "cidr",
    help: "a source that may come; repeatable; without it, everyone",
    undo: "allow everyone",
    admits: true,
  },
  deny: {
    ...list,
    schema: cidrs.default([]),
    title: "denied from",
    column: "Denied from",
    form: "visitors",
    label: "But not to",
    hint: "These are refused, whatever else is allowed.",
    flag: "deny-from",
    argument: "cidr",
    help: "a source that may not come; repeatable",
    undo: "deny no source",
    admits: true,
  },
  /** Milliseconds since 1970, or ISO 8601; null: never. */
  expires: {
    kind: "moment",
    schema: moment().nullable().default(null),
    view: z.iso.datetime().nullable(),
    title: "expires",
    column: "Expires",
    form: "visitors",
    label: "Ends",
    hint: "In your own time zone. Empty: never.",
    none: "never",
    flag: "expires",
    argument: "when",
    help: "when it ends: 12h, 90d, or a date",
    undo: "let it never end",
    admits: true,
  },
  /** Streams and flows. */
  maxStreams: {
    ...number,
    counts: "whole",
    schema: rate.nullable().default(null),
    title: "streams at once",
    column: "Limits",
    unit: "at once",
    label: "Visitors at once",
    hint: "Empty: no limit.",
    flag: "max-streams",
    argument: "number",
    help: "connections at once",
    undo: "without that limit",
    admits: true,
  },
  newPerSecond: {
    ...number,
    counts: "whole",
    schema: rate.nullable().default(null),
    title: "new per second",
    column: "Limits",
    unit: "new/s",
    label: "New visitors a second",
    hint: "Empty: no limit.",
    flag: "new-per-second",
    argument: "number",
    help: "new connections a second from one source",
    undo: "without that limit",
    admits: true,
  },
  /** In each direction, over all its streams. */
  bytesPerSecond: {
    ...number,
    counts: "bytes",
    schema: z.int().min(1024).nullable().default(null),
    title: "bytes per second",
    column: "Limits",
    unit: "bytes/s",
    label: "Bytes a second, each way",
    hint: "Empty: no limit.",
    flag: "bytes-per-second",
    argument: "size",
    help: "in each direction, over all its connections: 500000, 64K, 1.5M",
    undo: "without that limit",
    admits: true,
  },
} satisfies Record<string, Field>;

/** Further fields of mappings of ports and services. */
export const PORT_FIELDS = {
  /** The visitor's address, told to the target in a PROXY protocol header. */
  proxyProtocol: {
    kind: "choice",
    choices: { "": "None", v1: "Version 1", v2: "Version 2" },
    schema: proxyVersion.default(null),
    view: proxyVersion,
    title: "PROXY protocol",
    label: "PROXY protocol to the target",
    flag: "proxy-protocol",
    argument: "version",
    help: "tell the target the visitor's address in this header",
    undo: "without that header",
    fits: "tcp",
    misfit: "only TCP has it.",
  },
  /** What a visitor of a port that the Worker owns sees when a stream is lost: an ordinary end, or nothing more, ever. */
  onLoss: {
    kind: "choice",
    choices: { close: "The visitor sees an end", hang: "The visitor sees nothing more" },
    schema: lossEnding.default("close"),
    view: lossEnding,
    title: "on loss",
    label: "When the way breaks for good",
    flag: "on-loss",
    argument: "what",
    help: "what a visitor sees when the path to the agent is lost",
    fits: "tcp-port",
    misfit: "only a TCP port can hang.",
  },
  /** Seconds without a datagram after which a flow is forgotten; null: the edge's default. */
  idleSeconds: {
    ...number,
    counts: "seconds",
    schema: z.int().min(5).max(86_400).nullable().default(null),
    title: "idle seconds",
    label: "UDP: seconds until a silent flow ends",
    hint: "Empty: the edge's default.",
    flag: "idle",
    argument: "time",
    help: "UDP: how long a flow may be idle; without it, 2m",
    undo: "the usual time",
    fits: "udp",
    misfit: "only UDP flows end by idleness.",
  },
  /** The target sends large answers to small requests, and may send them to visitors whose address is not proved. */
  reflectorOk: {
    ...flip,
    schema: z.boolean().default(false),
    title: "reflector ok",
    label: "UDP: it may answer much to visitors that have proved nothing",
    flag: "reflector-ok",
    help: "UDP: large answers may go to a source that has proved nothing",
    undo: "UDP: answers stay small again",
    fits: "udp",
    misfit: "only UDP can be reflected.",
  },
} satisfies Record<string, Field>;

/** Fields of the object `http`: how the agent sends requests to the target of an `http(s)://` endpoint. */
export const HTTP_FIELDS = {
  hostHeader: {
    ...text,
    schema: hostHeader.default("visitor"),
    title: "Host header",
    label: "Host header",
    hint: "visitor (as asked for), target (its own), or a fixed name.",
    flag: "host-header",
    argument: "host",
    help: "HTTP: the Host that the target sees: visitor, target, or HOST[:PORT]",
    fits: "http",
  },
  /** Whether the target's certificate must be valid: for the name in `sni`, else for the target's host. */
  tlsVerify: {
    ...flip,
    schema: z.boolean().default(true),
    title: "certificate checked",
    label: "The target's certificate has to be valid",
    flag: "no-tls-verify",
    help: "HTTPS target: take any certificate",
    undo: "HTTP: check the certificate of an https target",
    fits: "https-target",
  },
  /** Certificates to trust instead of the public ones. */
  ca: {
    kind: "pem",
    schema: certificates.nullable().default(null),
    view: z.string().nullable(),
    title: "trusted certificates",
    label: "Certificates to trust",
    hint: "PEM. Empty: the public ones.",
    flag: "ca",
    argument: "file",
    help: "HTTPS target: trust these certificates (PEM) and no others",
    undo: "trust the public authorities",
    fits: "https-target",
  },
  /** The host name asked for in TLS, and checked; null: the target's. */
  sni: {
    kind: "text",
    schema: hostName.nullable().default(null),
    view: z.string().nullable(),
    title: "name in TLS",
    label: "Name in TLS",
    hint: "Empty: the target's host.",
    flag: "sni",
    argument: "host",
    help: "HTTPS target: the name to ask for and to check, if not its own",
    undo: "the target's own name",
    fits: "https-target",
  },
  /** Whether the endpoint's prefix is part of the path that the target sees. */
  prefix: {
    kind: "choice",
    choices: { keep: "The target sees it", strip: "The target does not see it" },
    schema: prefixUse.default("keep"),
    view: prefixUse,
    title: "prefix",
    label: "Prefix of the path",
    flag: "strip-prefix",
    sets: "strip",
    help: "HTTP: the target does not see the endpoint's prefix",
    undo: "HTTP: the target sees the prefix again",
    fits: "http",
  },
  /** Whether redirects and cookies that name the target's own host or path are put back under the endpoint. */
  rewrite: {
    ...flip,
    schema: z.boolean().default(true),
    title: "rewriting",
    label: "Redirects and cookies of the target are put under the endpoint",
    flag: "no-rewrite",
    help: "HTTP: leave redirects and cookies that name the target as they are",
    undo: "HTTP: put redirects and cookies of the target back under the endpoint",
    fits: "http",
  },
} satisfies Record<string, Field>;
