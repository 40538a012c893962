import { DurableObject } from "cloudflare:workers";
import type { VisitorClaims } from "../../shared/rule/claims.ts";
import { parseAddress } from "../../shared/address/address.ts";
import { parseEdgeUrl } from "../../shared/address/edge-url.ts";
import { LIVE_PROTOCOL, type LiveMessage } from "../../shared/rule/live.ts";
import type { Mapping } from "../../shared/rule/mapping.ts";
import type { Env } from "../env.ts";
import { logFault } from "../fault.ts";
import { done, refused, type Outcome, type Problem } from "../problem.ts";
import { signToken } from "../tokens.ts";
import type { ImportedView } from "../../shared/rule/api.ts";
import { exportArchive, importArchive, type Archive } from "./archive.ts";
import { applyRules, type ApplyResult, type ApplyRequest } from "./apply.ts";
import { carryOver, type RevokedCounts, type Revocations } from "./carry-over.ts";
import {
  addGrant,
  endGrants,
  grantAt,
  listGrants,
  newLink,
  removeGrant,
  useGrant,
  type GrantWithMappings,
  type GrantRequest,
  type GrantVisitor,
  type NewGrant,
  type OfferedGrant,
} from "./grant-changes.ts";
import { httpTable, type HttpTable } from "./http-table.ts";
import type { ConnectionFilter, NumberedRecord } from "./connections.ts";
import type { AuditFilter, NumberedEntry } from "./journal.ts";
import { login, type LoginResult, type LoginRequest } from "./login.ts";
import { addMapping, changeMapping, findMapping, removeMapping } from "./mapping-changes.ts";
import type { Unreadable } from "./mappings.ts";
import { WebhookNotifier } from "./webhook-notifier.ts";
import { LoginPenalties } from "./login-penalties.ts";
import { reachableSites, staleTokens, type SiteReach } from "./reach.ts";
import { RefusedLogins, type RefusedLogin } from "./refused-logins.ts";
import { RulePush } from "./rule-push.ts";
import { retentionOf } from "./retention.ts";
import { routeAt, routeOfPort } from "./routes.ts";
import { secretHash } from "./secret.ts";
import { addSite, removeSite } from "./site-changes.ts";
import { siteRelay } from "./site-relay.ts";
import type { Site } from "./sites.ts";
import type { Actor, Asker } from "./actor.ts";
import { Store } from "./store.ts";
import type { TokenBytes } from "./token-bytes.ts";
import {
  issueToken,
  renewToken,
  revokeToken,
  addTokenBytes,
  withdrawKey,
  type Issued,
  type Renewed,
} from "./token-changes.ts";
import type { TokenRequest } from "./token-request.ts";
import type { IssuedToken } from "./tokens.ts";
import type { SiteUsage } from "./usage.ts";
import { connectionView } from "./connection-view.ts";
import { endSession, openSession } from "./browser-session.ts";
import type { MappingHour } from "./traffic.ts";
import type { ConnectionRecord, Route, SiteReport, SiteRules, TokenState, Trust } from "./types.ts";
import { WATCH_HEADER, Watchers, type WatchPass } from "./watchers.ts";

/** Milliseconds for which refused logins are collected before they are written. */
const REFUSED_DELAY_MS = 1_000;
/** Connections sent to watchers in one message: people read no faster. */
const MAX_LIVE_CONNECTIONS = 100;

const NO_URL: Problem = {
  status: 422,
  code: "url-unknown",
  title: "URL unknown",
  detail: "The edge does not know its own URL yet.",
  fix: "sallyport login URL",
};

/** The Durable Object with sites, mappings, tokens, keys and logs; one for the whole edge. */
export class Registry extends DurableObject<Env> {
  readonly #store: Store;
  readonly #rulePush: RulePush;
  readonly #notifier: WebhookNotifier;
  readonly #penalties = new LoginPenalties();
  readonly #watchers: Watchers;
  readonly #refused: RefusedLogins;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#store = new Store(ctx.storage, retentionOf(env));
    this.#rulePush = new RulePush(
      this.#store,
      async (relay, rules) => siteRelay(env, relay).push(rules),
      (time) => this.#wakeAt(time),
    );
    this.#watchers = new Watchers(ctx);
    this.#refused = new RefusedLogins(this.#store, (env.WEBHOOK_URL ?? "") !== "");
    // The platform answers pings without waking the object, so an open page costs nothing while nothing happens.
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair("ping", "pong"));
    this.#notifier = new WebhookNotifier(this.#store, env.WEBHOOK_URL ?? "", (time) => this.#wakeAt(time));
    const fixed = parseEdgeUrl(env.PUBLIC_URL ?? "");
    if (fixed.ok) this.#store.urls.adopt(fixed.value.text, Date.now());
  }

  // Methods for the ingress and the relays.

  /** Returns the route of a public port, or null. The caller checks access and expiry: a `token` mapping is returned too. */
  routePort(port: number, transport: "tcp" | "udp"): Route | null {
    return routeOfPort(this.#store, port, transport, Date.now());
  }

  /** Returns the route of an endpoint reached by token (a port of one transport, or a service), or null. */
  route(text: string): Route | null {
    return routeAt(this.#store, text, Date.now());
  }

  /** Returns all hosts with their routes; null if the table still has this tag. */
  httpTable(tag: string): HttpTable | null {
    return httpTable(this.#store, tag);
  }

  /**
   * Signs the visitor token of a login cookie, for one endpoint that the verified `claims` cover. If `isFresh`, the token's scope is
   * wider than the endpoint and covers its current mapping, so `iat` is now; otherwise it is that of the token.
   */
  async signPass(claims: VisitorClaims, isFresh: boolean): Promise<string> {
    const now = Date.now();
    const iat = isFresh ? Math.min(this.#store.mappings.reassignments.earliestIssue(now), claims.exp - 1) : claims.iat;
    return signToken("visitor", { ...claims, iat }, await this.#store.keys.current(now));
  }

  /** Returns the rules for a site's relay; null if there is no such site. */
  siteRules(name: string): SiteRules | null {
    const site = this.#store.sites.find(name);
    return site === undefined ? null : this.#store.rulesOf(site, Date.now());
  }

  /**
   * Returns the name of the relay that an admitted agent connects to, and marks it as in use: it gets visitors and changes of
   * rules. Null if there is no such site.
   */
  relayForAgent(name: string): string | null {
    const site = this.#store.sites.find(name);
    if (site === undefined) return null;
    this.#store.sites.markSeen(name, site.relay);
    return site.relay;
  }

  /** Notes that an agent of a site has connected. */
  async agentCame(site: string): Promise<void> {
    this.#notifyWatchers({ type: "changed", what: "presence" });
    await this.#notifier.presence(site, true, Date.now());
  }

  /** Notes that an agent of a site has disconnected; `left` agents are still connected. */
  async agentGone(site: string, left: number): Promise<void> {
    this.#notifyWatchers({ type: "changed", what: "presence" });
    if (left === 0) await this.#notifier.presence(site, false, Date.now());
  }

  trust(): Trust {
    const { keys, urls, tokens } = this.#store;
    return { keys: keys.verifying(), issuers: urls.list(), latest: tokens.latest };
  }

  /** True until a site is added. */
  get isNew(): boolean {
    return this.#store.sites.list().length === 0;
  }

  tokenState(jti: string): TokenState {
    return this.#store.tokens.state(jti);
  }

  /** Returns the sites and endpoints that a client's or gateway's token reaches. `issued`: as in `scopesFor`. */
  reach(endpoints: "*" | readonly string[], issued: number | null): SiteReach[] {
    return reachableSites(this.#store, endpoints, issued);
  }

  /** Records ended and refused connections; a relay adds a report on its site. Returns true if there are watchers. */
  record(records: ConnectionRecord[], report?: SiteReport): boolean {
    const now = Date.now();
    this.#store.journal.record(records, now);
    if (records.length > 0)
      this.#notifyWatchers({
        type: "connections",
        connections: records.slice(-MAX_LIVE_CONNECTIONS).map(connectionView),
      });
    if (report !== undefined) {
      const { site, usage, traffic } = report;
      this.#store.usage.add(site, usage, now);
      this.#store.traffic.add(traffic.moved, now);
      this.#notifyWatchers({ type: "traffic", site, ms: traffic.ms, mappings: traffic.live });
    }
    return this.#watchers.hasAny;
  }

  /** Returns the bytes that mappings carried in the last hour. */
  lastHour(): MappingHour[] {
    return this.#store.traffic.lastHour(Date.now());
  }

  /** Adds bytes carried by tokens with a byte cap and returns the new sums. Revokes a token that has reached its cap. */
  async spend(spendings: TokenBytes[]): Promise<number[]> {
    const now = Date.now();
    const sums = this.ctx.storage.transactionSync(() => addTokenBytes(this.#store, spendings, now));
    await this.#changed(now);
    return sums;
  }

  /** Returns the usage of sites from `day` (YYYY-MM-DD) on. */
  usage(day: string): SiteUsage[] {
    return this.#store.usage.since(day);
  }

  // Methods for the API.

  async login(request: LoginRequest): Promise<Outcome<LoginResult>> {
    const outcome = await login(this.#store, this.#penalties, this.env.ADMIN_SECRET ?? "", request, Date.now());
    if (!outcome.ok && (outcome.problem.status === 401 || outcome.problem.status === 429))
      this.loginRefused({ source: request.source, reason: "not the admin secret" });
    return outcome;
  }

  /** Counts a refused login. It is written `REFUSED_DELAY_MS` later, together with others. */
  loginRefused(refusedLogin: RefusedLogin): void {
    if (this.#refused.add(refusedLogin, Date.now())) setTimeout(() => this.#writeRefused(), REFUSED_DELAY_MS);
  }

  /** Returns the number of logins refused since this edge was created. */
  refusedLogins(): number {
    this.#writeRefused();
    return this.#store.webhookEvents.refusedTotal;
  }

  #writeRefused(): void {
    if (!this.#refused.hasPending) return;
    const now = Date.now();
    try {
      this.ctx.storage.transactionSync(() => this.#refused.write(now));
    } catch (error) {
      logFault("writing refused logins", error);
    }
    this.ctx.waitUntil(this.#notifier.schedule(now));
  }

  /** Opens a browser session with the rights of a verified admin token. `session`: the hash of the session's key. */
  async openSession(jti: string, session: string, from: string): Promise<Outcome<LoginResult>> {
    const url = this.#store.urls.canonical();
    if (url === undefined) return refused(NO_URL);
    const issued = await openSession(this.#store, url, { jti, session, from }, Date.now());
    this.#closeInvalidWatchers();
    return issued.ok ? done({ ...issued.value, url }) : issued;
  }

  async endSession(jti: string, asker: Asker): Promise<Outcome<{ jti: string }>> {
    return this.#change(asker, (by) => endSession(this.#store, jti, by));
  }

  /** Accepts the WebSocket of a watcher that the Worker has authenticated. */
  override fetch(request: Request): Response {
    const pass = JSON.parse(request.headers.get(WATCH_HEADER) ?? "null") as WatchPass | null;
    if (pass === null || request.headers.get("upgrade") !== "websocket")
      return new Response("expected a WebSocket with a pass", { status: 400 });
    const [client, socket] = Object.values(new WebSocketPair()) as [WebSocket, WebSocket];
    if (this.#watchers.accept(socket, pass)) this.ctx.waitUntil(this.#wakeRelays());
    return new Response(null, { status: 101, webSocket: client, headers: { "sec-websocket-protocol": LIVE_PROTOCOL } });
  }

  /** Ignores messages: watchers only receive. */
  override webSocketMessage(): void {}

  override webSocketClose(socket: WebSocket, code: number): void {
    try {
      socket.close(code === 1000 || (code >= 3000 && code <= 4999) ? code : 1000);
    } catch {
      // Already closed by the edge.
    }
  }

  sites(): Site[] {
    return this.#store.sites.list();
  }

  async addSite(name: string, asker: Asker): Promise<Outcome<Site>> {
    return this.#change(asker, (by) => addSite(this.#store, name, by));
  }

  async removeSite(name: string, asker: Asker): Promise<Outcome<{ name: string; revoked: string[] }>> {
    return this.#change(asker, (by) => removeSite(this.#store, name, by));
  }

  /** Lists the tokens, and the bytes carried by those with a byte cap, by `jti`. */
  tokens(): { tokens: IssuedToken[]; spent: Map<string, number> } {
    return { tokens: this.#store.tokens.list(), spent: this.#store.tokenBytes.all() };
  }

  async issueToken(request: TokenRequest, asker: Asker): Promise<Outcome<Issued>> {
    const url = this.#store.urls.canonical();
    if (url === undefined) return refused(NO_URL);
    const now = Date.now();
    const issued = await issueToken(this.#store, url, request, { ...asker, now });
    await this.#notifier.schedule(now);
    await this.#changed(now);
    return issued;
  }

  /** Renews an agent's or a gateway's token, for the relay of its lane. */
  async renewToken(jti: string): Promise<Renewed> {
    const url = this.#store.urls.canonical() ?? "";
    return renewToken(this.#store, url, jti, Date.now());
  }

  keys(): { kid: string; created: number }[] {
    return this.#store.keys.list();
  }

  /** Creates a new signing key; tokens signed with older keys stay valid. */
  async rotateKey(asker: Asker): Promise<{ kid: string }> {
    const now = Date.now();
    const { kid } = await this.#store.keys.rotate(now);
    this.#store.journal.audit({ ...asker, now }, "key rotate", kid);
    return { kid };
  }

  async withdrawKey(kid: string, asker: Asker): Promise<Outcome<{ kid: string; revoked: string[] }>> {
    const now = Date.now();
    const outcome = await withdrawKey(this.#store, kid, { ...asker, now });
    if (outcome.ok) await this.#changed(now);
    return outcome;
  }

  async carryOver(revocations: Revocations, asker: Asker): Promise<RevokedCounts> {
    const now = Date.now();
    const carried = await carryOver(this.#store, revocations, { ...asker, now });
    await this.#changed(now);
    return carried;
  }

  async revokeToken(jti: string, asker: Asker): Promise<Outcome<IssuedToken>> {
    return this.#change(asker, (by) => revokeToken(this.#store, jti, by));
  }

  mappings(): Mapping[] {
    return this.#store.mappings.list();
  }

  /** Returns all mappings with the register's ETag (for a conditional change) and the time of each mapping's last use. */
  register(): { mappings: Mapping[]; tag: string; uses: Map<number, number> } {
    const { mappings, journal } = this.#store;
    return { mappings: mappings.list(), tag: mappings.tag, uses: journal.uses() };
  }

  /** Returns what may need an admin's action: unreadable rules, and tokens (which may expire). */
  concerns(): { unreadable: Unreadable[]; tokens: IssuedToken[] } {
    const { mappings, tokens } = this.#store;
    return { unreadable: mappings.unreadable(), tokens: tokens.current() };
  }

  /** Brings the register to the requested state, in one transaction. */
  async applyRules(request: ApplyRequest, asker: Asker): Promise<Outcome<ApplyResult>> {
    return this.#change(asker, (by) => applyRules(this.#store, this.env, request, by));
  }

  mapping(endpoint: string): Outcome<Mapping> {
    return findMapping(this.#store, endpoint);
  }

  async addMapping(input: object, asker: Asker): Promise<Outcome<Mapping>> {
    return this.#change(asker, (by) => addMapping(this.#store, this.env, input, by));
  }

  /** Lists the `jti` of visitor tokens that name a mapping's endpoint but do not open it. */
  staleTokens(mapping: Mapping): string[] {
    return staleTokens(this.#store, mapping, Date.now());
  }

  async changeMapping(endpoint: string, changes: object, asker: Asker, ifMatch?: string): Promise<Outcome<Mapping>> {
    return this.#change(asker, (by) => changeMapping(this.#store, this.env, endpoint, changes, by, ifMatch));
  }

  async removeMapping(endpoint: string, asker: Asker, ifMatch?: string): Promise<Outcome<Mapping | null>> {
    return this.#change(asker, (by) => removeMapping(this.#store, endpoint, by, ifMatch));
  }

  /** Exports the registry, and adds an audit entry for the export. */
  exportAll(asker: Asker): Archive {
    const now = Date.now();
    this.#writeRefused();
    const archive = exportArchive(this.ctx.storage.sql, now);
    const { sites, mappings, tokens, grants } = archive.tables;
    const detail = `${sites.length} sites, ${mappings.length} mappings, ${tokens.length} tokens, ${grants.length} grants`;
    this.#store.journal.auditRepeatable({ ...asker, now }, "export", "registry", detail);
    return archive;
  }

  async importAll(archive: Archive, asker: Asker): Promise<Outcome<ImportedView>> {
    const outcome = await this.#change(asker, (by) => importArchive(this.#store, this.ctx.storage.sql, archive, by));
    const end = this.#store.grants.nextEnd();
    if (outcome.ok && end !== undefined) await this.#wakeAt(end);
    return outcome;
  }

  /** Returns the last `limit` matching connections with a number below `before`, oldest first. */
  connections(limit: number, before: number | undefined, filter: ConnectionFilter): NumberedRecord[] {
    const { journal } = this.#store;
    journal.prune(Date.now());
    return journal.connections.page(limit, before, filter);
  }

  /** Returns the last refused connection of each mapping, and the number refused. */
  refusals(): { last: ConnectionRecord[]; counts: Map<number, number> } {
    const { journal } = this.#store;
    return { last: journal.connections.refusals(), counts: journal.refusedCounts() };
  }

  /** Returns matching audit entries. */
  auditPage(filter: AuditFilter): NumberedEntry[] {
    const { journal } = this.#store;
    this.#writeRefused();
    journal.prune(Date.now());
    return journal.auditPage(filter);
  }

  async addGrant(request: GrantRequest, asker: Asker): Promise<Outcome<NewGrant>> {
    const url = this.#store.urls.canonical();
    if (url === undefined) return refused(NO_URL);
    const { secret, hash } = await newLink();
    const added = await this.#change(asker, (by) => addGrant(this.#store, request, hash, by));
    if (!added.ok) return added;
    await this.#wakeAt(added.value.grant.until);
    return done({ ...added.value, link: `${url}/.sallyport/grant/${secret}` });
  }

  async removeGrant(id: string, asker: Asker): Promise<Outcome<GrantWithMappings>> {
    return this.#change(asker, (by) => removeGrant(this.#store, id, by));
  }

  grants(): GrantWithMappings[] {
    return listGrants(this.#store, Date.now());
  }

  /** Finds the grant that a link offers to this address; null if none. `browser`: the secret in the browser's cookie. */
  async grantAt(secret: string, address: string, browser: string | null): Promise<OfferedGrant | null> {
    const visitor = await visitorOf(address, browser);
    return visitor === undefined ? null : (grantAt(this.#store, await secretHash(secret), visitor, Date.now()) ?? null);
  }

  /**
   * Uses a grant's link for an address; returns null if it offers none. The returned `browser` is the secret for the first
   * browser's cookie.
   */
  async useGrant(
    secret: string,
    address: string,
    browser: string | null,
  ): Promise<(GrantWithMappings & { browser: string | null }) | null> {
    const visitor = await visitorOf(address, browser);
    if (visitor === undefined) return null;
    const [link, fresh] = [await secretHash(secret), await newLink()];
    const now = Date.now();
    const used = this.ctx.storage.transactionSync(() => useGrant(this.#store, link, visitor, fresh.hash, now));
    if (used === undefined) return null;
    await this.#changed(now);
    const { grant, mappings, isFirst } = used;
    return { grant, mappings, browser: isFirst ? fresh.secret : null };
  }

  /** Ends expired grants, retries relays that missed a change, and sends due events to the webhook. */
  override async alarm(): Promise<void> {
    const now = Date.now();
    this.ctx.storage.transactionSync(() => endGrants(this.#store, now));
    await this.#changed(now);
    const end = this.#store.grants.nextEnd();
    if (end !== undefined) await this.#wakeAt(end);
    await this.#notifier.deliver(now);
  }

  /** Moves the alarm forward if `time` is earlier: the object has one alarm, and its handler sets the next. */
  async #wakeAt(time: number): Promise<void> {
    const set = await this.ctx.storage.getAlarm();
    if (set === null || set > time) await this.ctx.storage.setAlarm(time);
  }

  /** Makes one change atomically, then pushes it to the reachable relays before returning. */
  async #change<T>(asker: Asker, change: (by: Actor) => Outcome<T>): Promise<Outcome<T>> {
    const now = Date.now();
    const outcome = this.ctx.storage.transactionSync(() => change({ ...asker, now }));
    if (outcome.ok) {
      await this.#changed(now);
      await this.#notifier.schedule(now);
    }
    return outcome;
  }

  /** Pushes a change to the relays, closes watchers whose token is no longer valid, and notifies the others. */
  async #changed(now: number): Promise<void> {
    await this.#rulePush.pushAll(now);
    this.#closeInvalidWatchers();
    this.#notifyWatchers({ type: "changed", what: "rules" });
  }

  /** Closes the WebSockets of watchers whose token is no longer valid. */
  #closeInvalidWatchers(): void {
    this.#watchers.closeInvalid((jti) => this.#store.tokens.state(jti));
  }

  #notifyWatchers(message: LiveMessage): void {
    this.#watchers.broadcast(message, Date.now());
  }

  /** Asks the relays in use to report traffic for as long as there are watchers. */
  async #wakeRelays(): Promise<void> {
    const seen = this.#store.sites.list().filter(({ relaySeen }) => relaySeen);
    await Promise.allSettled(seen.map(({ relay }) => siteRelay(this.env, relay).watch()));
  }
}

async function visitorOf(address: string, browser: string | null): Promise<GrantVisitor | undefined> {
  const parsed = parseAddress(address);
  if (!parsed.ok) return undefined;
  return { address: parsed.value, browser: browser === null ? undefined : await secretHash(browser) };
}
