import * as z from "zod";
import { TOKEN_KINDS } from "./claims.ts";
import { byName } from "./field.ts";
import { COMMON_FIELDS, HTTP_FIELDS, PLACE_FIELDS, PORT_FIELDS } from "./mapping-fields.ts";

// The answers of the API. The edge writes them, the commands and the dashboard read them, and the OpenAPI document is made from
// these schemas. Later versions only add fields.

/** ISO 8601, in UTC. */
const moment = z.iso.datetime();
const count = z.int().min(0);
const texts = z.array(z.string());
const access = z.enum(["public", "token"]);
const kind = z.enum(TOKEN_KINDS);
const outcome = z.enum(["done", "refused", "reset", "lost", "cut"]);
/** Value of `after` for the next page; null on the last one. */
const next = z.string().nullable();

export const SiteView = z.object({ name: z.string(), created: moment, revision: count });
export type SiteView = z.infer<typeof SiteView>;

/** A page of sites. */
export const SiteList = z.object({ sites: z.array(SiteView), next });
export type SiteList = z.infer<typeof SiteList>;

/** A site that was removed, and the tokens of its agents that were valid until then. */
export const RemovedSite = z.object({ name: z.string(), revoked: texts });
export type RemovedSite = z.infer<typeof RemovedSite>;

export const TokenView = z.object({
  jti: z.string(),
  kind,
  /** The identity, which outlives renewals. */
  sub: z.string(),
  site: z.string().nullable(),
  /** Its scope, as it was requested. */
  scope: texts,
  issued: moment,
  issuedBy: z.string(),
  expires: moment,
  revoked: z.boolean(),
  revokedAt: moment.nullable(),
  /** For a token with a cap on bytes: how many it may carry in its life, and how many it has carried. */
  bytes: z.object({ cap: count, spent: count }).nullable(),
});
export type TokenView = z.infer<typeof TokenView>;

/** A page of tokens, the oldest first. */
export const TokenList = z.object({ tokens: z.array(TokenView), next });
export type TokenList = z.infer<typeof TokenList>;

export const IssuedView = z.object({
  /** The token itself: this is the only time it is shown. */
  token: z.string(),
  jti: z.string(),
  kind,
  sub: z.string(),
  site: z.string().nullable(),
  expires: moment,
});
export type IssuedView = z.infer<typeof IssuedView>;

export const LoginView = IssuedView.extend({
  /** The edge's canonical URL. */
  url: z.string(),
});
export type LoginView = z.infer<typeof LoginView>;

/** The keys that sign tokens, the current one first. */
export const KeyList = z.object({ keys: z.array(z.object({ kid: z.string(), created: moment })) });
export type KeyList = z.infer<typeof KeyList>;
export const KeyView = z.object({ kid: z.string() });
export type KeyView = z.infer<typeof KeyView>;
/** A key that was withdrawn, and the tokens that were valid until then. */
export const WithdrawnKey = z.object({ kid: z.string(), revoked: texts });
export type WithdrawnKey = z.infer<typeof WithdrawnKey>;

/** How many tokens, keys and grants were valid until now although another state of the edge had ended them. */
export const CarriedOverView = z.object({ tokens: count, keys: count, grants: count });
export type CarriedOverView = z.infer<typeof CarriedOverView>;

export const StampView = z.object({ by: z.string(), at: moment });
export type StampView = z.infer<typeof StampView>;

export const MappingView = z.object({
  id: count,
  ...byName(PLACE_FIELDS, "view"),
  ...byName(COMMON_FIELDS, "view"),
  http: z.object(byName(HTTP_FIELDS, "view")).nullable(),
  ...byName(PORT_FIELDS, "view"),
  revision: count,
  created: StampView,
  changed: StampView,
  /** When a connection through it last ended; null: never, or in answers about one mapping. */
  lastUsed: moment.nullable(),
  /** Names this state of it, for If-Match. */
  etag: z.string(),
});
export type MappingView = z.infer<typeof MappingView>;

/** A page of mappings. */
export const MappingList = z.object({
  mappings: z.array(MappingView),
  next,
  /** Names this state of the register, for If-Match. */
  tag: z.string(),
});
export type MappingList = z.infer<typeof MappingList>;

export const RuleChange = z.object({
  kind: z.enum(["add", "change", "remove"]),
  endpoint: z.string(),
  site: z.string(),
  target: z.string(),
  name: z.string(),
  /** For a change: its fields, those of `http` as `http.FIELD`. A value is absent where it is the default. */
  fields: z.array(z.object({ field: z.string(), before: z.unknown().optional(), after: z.unknown().optional() })),
});
export type RuleChange = z.infer<typeof RuleChange>;

/** What a set of rules has changed, or would change. */
export const ApplyAnswer = z.object({
  dryRun: z.boolean(),
  changes: z.array(RuleChange),
  unchanged: count,
  /** Names the state of the register now, for If-Match. */
  tag: z.string(),
  warnings: texts,
});
export type ApplyAnswer = z.infer<typeof ApplyAnswer>;

/** A change that was accepted, with its warnings. */
export const MappingAnswer = z.object({ mapping: MappingView, warnings: texts });
export type MappingAnswer = z.infer<typeof MappingAnswer>;

/** How many rows an import has added. */
export const ImportedView = z.object({ sites: count, mappings: count, tokens: count, grants: count });
export type ImportedView = z.infer<typeof ImportedView>;

/** A mapping that was removed; null if the edge's version can't read it. */
export const RemovedAnswer = z.object({ mapping: MappingView.nullable(), warnings: texts });
export type RemovedAnswer = z.infer<typeof RemovedAnswer>;

export const RefusalView = z.object({ at: moment, code: z.string(), reason: z.string() });
export type RefusalView = z.infer<typeof RefusalView>;

export const AgentView = z.object({
  identity: z.string(),
  incarnation: z.string(),
  slot: count,
  version: z.string(),
  address: z.string(),
  since: moment,
  jti: z.string(),
  expires: moment,
  streams: count,
  /** Round trip between the edge and it, in milliseconds, lately; null when it gave no answer. */
  roundTripMs: z.number().nullable(),
  lanes: z.array(z.object({ index: count, since: moment, backlog: z.number(), droppedDatagrams: count })),
});
export type AgentView = z.infer<typeof AgentView>;

/** A client or gateway that is connected to a site. */
export const CallerView = AgentView.omit({ slot: true, streams: true }).extend({ kind: z.enum(["client", "gateway"]) });
export type CallerView = z.infer<typeof CallerView>;

const RelayView = z.object({
  name: z.string(),
  /** Whether an agent has ever connected; without one there is no relay object. */
  seen: z.boolean(),
  /** Changes when the object is created again; null when it is not there or doesn't answer. */
  instance: z.string().nullable(),
  boot: z.string().nullable(),
  /** Connections of this instance that are missing from the log because too many ended at once. */
  droppedRecords: z.int(),
});

export const SiteStatus = SiteView.extend({
  /** `unknown`: the relay did not answer. */
  state: z.enum(["online", "offline", "unknown"]),
  relay: RelayView,
  agents: z.array(AgentView),
  callers: z.array(CallerView),
  /** Datagrams that the relay dropped because of a lane's backlog, since its instance began. */
  droppedDatagrams: count,
});
export type SiteStatus = z.infer<typeof SiteStatus>;

export const MappingStatus = z.object({
  id: count,
  endpoint: z.string(),
  site: z.string(),
  target: z.string(),
  name: z.string(),
  access,
  expires: moment.nullable(),
  /** `unreachable`: no agent that is online may dial the target. */
  state: z.enum(["ready", "unreachable", "no-agent", "expired", "unknown"]),
  /** Visitors connected now. */
  streams: count,
  lastRefusal: RefusalView.nullable(),
  /** Visitors refused since the mapping was added. */
  refused: count,
});
export type MappingStatus = z.infer<typeof MappingStatus>;

export const StatusView = z.object({
  url: z.string().nullable(),
  version: z.string(),
  time: moment,
  selfHosted: z.boolean(),
  /** PORTS the Worker itself owns, or empty. */
  tcpPorts: z.string(),
  sites: z.array(SiteStatus),
  mappings: z.array(MappingStatus),
  warnings: texts,
});
export type StatusView = z.infer<typeof StatusView>;

export const ConnectionView = z.object({
  /** Grows; null while its relay has not handed it over yet. */
  n: count.nullable(),
  at: moment,
  ended: moment,
  site: z.string(),
  mapping: count.nullable(),
  endpoint: z.string(),
  target: z.string(),
  visitor: z.string(),
  bytesIn: count,
  bytesOut: count,
  outcome,
  code: z.string(),
  reason: z.string(),
  /** The stream's name in the logs of both ends; absent where there was no stream. */
  ref: z.string().optional(),
  /** If over 1: the number of equal refusals within the same second. */
  count: count.optional(),
});
export type ConnectionView = z.infer<typeof ConnectionView>;

/** A page of connections, the oldest first. */
export const ConnectionList = z.object({
  connections: z.array(ConnectionView),
  /** What to give as `before` for older ones; null when there are none. */
  next: count.nullable(),
});
export type ConnectionList = z.infer<typeof ConnectionList>;

export const GrantView = z.object({
  id: z.string(),
  endpoints: texts,
  /** For whom the grant is, as its admin wrote it. */
  to: z.string(),
  by: z.string(),
  /** The addresses that it admits: none until its link is used, then at most one IPv4 and one IPv6 address. */
  addresses: texts,
  created: moment,
  until: moment,
});
export type GrantView = z.infer<typeof GrantView>;

/** A page of grants. */
export const GrantList = z.object({ grants: z.array(GrantView), next });
export type GrantList = z.infer<typeof GrantList>;

/** A grant that was just made. */
export const MadeGrantView = GrantView.extend({
  /** Valid for one browser, and for the IPv4 and the IPv6 address it comes from. Not shown again. */
  link: z.string(),
});
export type MadeGrantView = z.infer<typeof MadeGrantView>;

/** A site's usage on one day, `YYYY-MM-DD` in UTC; `activeMs` is an estimate of how long its relay was in memory. */
export const UsageView = z.object({
  site: z.string(),
  day: z.iso.date(),
  requests: count,
  messages: count,
  activeMs: z.number(),
});
export type UsageView = z.infer<typeof UsageView>;
export const UsageList = z.object({ usage: z.array(UsageView) });
export type UsageList = z.infer<typeof UsageList>;

/** One change, login or export: who, when, what, and from which address if it is known. `n` increases. */
export const AuditView = z.object({
  n: count,
  at: moment,
  actor: z.string(),
  from: z.string(),
  action: z.string(),
  subject: z.string(),
  detail: z.string(),
  /** If over 1: the number of equal entries within an hour, the first at `at` and the last at `last`. */
  count: count.optional(),
  last: moment.optional(),
});
export type AuditView = z.infer<typeof AuditView>;

export const AuditList = z.object({
  entries: z.array(AuditView),
  /** What to give as `before` for older ones; null when there are none. */
  next: count.nullable(),
});
export type AuditList = z.infer<typeof AuditList>;

const HopView = z.object({
  hop: z.enum(["here", "public", "policy", "edge", "agent", "target", "protocol"]),
  outcome: z.enum(["ok", "warning", "failed", "not-tested"]),
  code: z.string(),
  text: z.string(),
  fix: z.string(),
  ms: z.number().nullable(),
});

/** What mappings carried in the last hour: bytes in each of its `minutes`, the oldest first. Others carried nothing. */
export const TrafficView = z.object({
  /** The end of the last minute. */
  until: moment,
  minutes: count,
  mappings: z.array(z.object({ mapping: count, bytesIn: z.array(count), bytesOut: z.array(count) })),
});
export type TrafficView = z.infer<typeof TrafficView>;

/** The admin whose session or token makes the request. */
export const SessionView = z.object({
  sub: z.string(),
  readOnly: z.boolean(),
  expires: moment,
  /** The edge's canonical URL. */
  url: z.string(),
});
export type SessionView = z.infer<typeof SessionView>;

/** A browser's session that was just opened: its cookie is useless without this key. */
export const OpenedSession = SessionView.extend({ key: z.string() });
export type OpenedSession = z.infer<typeof OpenedSession>;

/** A browser's session that was ended. */
export const EndedSession = z.object({ jti: z.string() });
export type EndedSession = z.infer<typeof EndedSession>;

/** What the rules decide about a visitor to an endpoint, and what an agent found at the target. */
export const TestAnswer = z.object({
  endpoint: z.string(),
  site: z.string(),
  target: z.string(),
  access,
  /** The visitor's address; null if it is not known. */
  from: z.string().nullable(),
  hops: z.array(HopView),
});
export type TestAnswer = z.infer<typeof TestAnswer>;
