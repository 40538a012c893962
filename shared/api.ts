import type { Mapping } from "./mapping.ts";
import type { TokenKind } from "./claims.ts";
import type { Hop } from "./hop.ts";
import type { FieldChange } from "./register.ts";

// What the API answers (DESIGN section 5): the edge writes it, the commands and the dashboard read it.
// Moments are ISO 8601 texts. Fields are only ever added.

export interface SiteView {
  readonly name: string;
  readonly created: string;
  readonly revision: number;
}

export interface TokenView {
  readonly jti: string;
  readonly kind: TokenKind;
  /** The identity, which outlives renewals. */
  readonly sub: string;
  readonly site: string | null;
  /** What it may reach, in the words it was asked for. */
  readonly scope: readonly string[];
  readonly issued: string;
  readonly issuedBy: string;
  readonly expires: string;
  readonly revoked: boolean;
  readonly revokedAt: string | null;
}

export interface IssuedView {
  /** The token itself: this is the only time it is shown. */
  readonly token: string;
  readonly jti: string;
  readonly kind: TokenKind;
  readonly sub: string;
  readonly site: string | null;
  readonly expires: string;
}

export interface LoginView extends IssuedView {
  /** The edge's canonical URL. */
  readonly url: string;
}

export interface StampView {
  readonly by: string;
  readonly at: string;
}

export interface MappingView extends Omit<Mapping, "expires" | "created" | "changed"> {
  readonly expires: string | null;
  readonly created: StampView;
  readonly changed: StampView;
  /** When a connection through it last ended; null: never, or in answers about one mapping. */
  readonly lastUsed: string | null;
  /** Names this state of it, for If-Match. */
  readonly etag: string;
}

/** A page of mappings. */
export interface MappingList {
  readonly mappings: readonly MappingView[];
  /** What to give as `after` for the next page; null on the last one. */
  readonly next: string | null;
  /** Names this state of the register, for If-Match. */
  readonly tag: string;
}

/** What a set of rules changes, or would. */
export interface ApplyAnswer {
  readonly dryRun: boolean;
  readonly changes: readonly RuleChange[];
  readonly unchanged: number;
  /** Names the state of the register now, for If-Match. */
  readonly tag: string;
  readonly warnings: readonly string[];
}

export interface RuleChange {
  readonly kind: "add" | "change" | "remove";
  readonly endpoint: string;
  readonly site: string;
  readonly target: string;
  readonly name: string;
  /** Of a change: which fields, those of `http` as `http.FIELD`. */
  readonly fields: readonly FieldChange[];
}

/** A change that was accepted, and what its user should know about it. */
export interface MappingAnswer {
  readonly mapping: MappingView;
  readonly warnings: readonly string[];
}

/** `mapping`: what it was; null when it was one that the edge's version can't read. */
export interface RemovedAnswer {
  readonly mapping: MappingView | null;
  readonly warnings: readonly string[];
}

export interface RefusalView {
  readonly at: string;
  readonly code: string;
  readonly reason: string;
}

export interface AgentView {
  readonly identity: string;
  readonly incarnation: string;
  readonly slot: number;
  readonly version: string;
  readonly address: string;
  readonly since: string;
  readonly jti: string;
  readonly expires: string;
  readonly streams: number;
  readonly lanes: readonly {
    readonly index: number;
    readonly since: string;
    readonly backlog: number;
    readonly droppedDatagrams: number;
  }[];
}

interface RelayView {
  readonly name: string;
  /** Whether an agent has ever been there; without one there is no relay object. */
  readonly seen: boolean;
  /** Changes when the object is made anew; null when it is not there or does not answer. */
  readonly instance: string | null;
  readonly boot: string | null;
}

export interface SiteStatus extends SiteView {
  /** `unknown`: the relay did not answer. */
  readonly state: "online" | "offline" | "unknown";
  readonly relay: RelayView;
  readonly agents: readonly AgentView[];
}

export interface MappingStatus {
  readonly id: number;
  readonly endpoint: string;
  readonly site: string;
  readonly target: string;
  readonly name: string;
  readonly access: "public" | "token";
  readonly expires: string | null;
  readonly state: "ready" | "no-agent" | "expired" | "unknown";
  /** Visitors there now. */
  readonly streams: number;
  readonly lastRefusal: RefusalView | null;
  /** Visitors refused since it was made. */
  readonly refused: number;
}

export interface StatusView {
  readonly url: string | null;
  readonly version: string;
  readonly time: string;
  readonly selfHosted: boolean;
  /** PORTS the Worker itself owns, or empty. */
  readonly tcpPorts: string;
  readonly sites: readonly SiteStatus[];
  readonly mappings: readonly MappingStatus[];
  readonly warnings: readonly string[];
}

export interface ConnectionView {
  readonly at: string;
  readonly ended: string;
  readonly site: string;
  readonly mapping: number | null;
  readonly endpoint: string;
  readonly target: string;
  readonly visitor: string;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly outcome: "done" | "refused" | "reset" | "lost" | "cut";
  readonly code: string;
  readonly reason: string;
  /** More than one: so many like it were refused within the same second. */
  readonly count?: number;
}

export interface GrantView {
  readonly id: string;
  readonly endpoints: readonly string[];
  /** Who it is for, in the words of whoever made it. */
  readonly to: string;
  readonly by: string;
  /** Whom it admits: nobody until its link is used, then at most one IPv4 and one IPv6 address. */
  readonly addresses: readonly string[];
  readonly created: string;
  readonly until: string;
}

/** A grant that was just made. */
export interface MadeGrantView extends GrantView {
  /** To be opened once for each kind of address; it is not shown again. */
  readonly link: string;
}

/** A site's usage on one day, `YYYY-MM-DD` in UTC; `activeMs` is an estimate of how long its relay was in memory. */
export interface UsageView {
  readonly site: string;
  readonly day: string;
  readonly requests: number;
  readonly messages: number;
  readonly activeMs: number;
}

/** One change: who, when, what. `n` grows. */
export interface AuditView {
  readonly n: number;
  readonly at: string;
  readonly actor: string;
  readonly action: string;
  readonly subject: string;
  readonly detail: string;
}

export interface AuditList {
  readonly entries: readonly AuditView[];
  /** What to give as `before` for older ones; null when there are none. */
  readonly next: number | null;
}

/** What the rules say of a visitor to an endpoint, and what an agent found behind it. */
export interface TestAnswer {
  readonly endpoint: string;
  readonly site: string;
  readonly target: string;
  readonly access: "public" | "token";
  /** The visitor's address that was judged; null when it is not known. */
  readonly from: string | null;
  readonly hops: readonly Hop[];
}
