import { DurableObject } from "cloudflare:workers";
import { LANE_CLOSE } from "../../shared/wire/errors.ts";
import { TYPE } from "../../shared/wire/frame.ts";
import { encodeControl, type Cut } from "../../shared/wire/control.ts";
import { HELLO_PATIENCE_MS } from "../../shared/wire/limits.ts";
import { parseTarget } from "../../shared/address/target.ts";
import { unwrap } from "../../shared/result.ts";
import type { Mapping } from "../../shared/rule/mapping.ts";
import type { ProbeOutcome } from "../../shared/wire/probe.ts";
import type { ConnectionRecord, SiteRules } from "../registry/types.ts";
import type { Env } from "../env.ts";
import type { SiteRelay } from "../registry/site-relay.ts";
import { registryOf } from "../registry/stub.ts";
import { CallerDoor } from "./doors/caller-door.ts";
import { decodeHttpVisit } from "./doors/http-visit.ts";
import { HttpDoor } from "./doors/http.ts";
import { probe } from "./doors/probe.ts";
import { decodeVisit } from "./doors/tcp-visit.ts";
import { serveTcp } from "./doors/tcp.ts";
import { graceOf } from "./grace.ts";
import { PASS_HEADER, type LanePass } from "./lanes/attachment.ts";
import { laneOf, Lanes, type End } from "./lanes/lanes.ts";
import { SilentLanes } from "./lanes/silent-lanes.ts";
import { Meter } from "./meter.ts";
import { receive, type Handlers } from "./receive.ts";
import { Presence } from "./presence.ts";
import { Renewals } from "./renewals.ts";
import { Agents } from "./site/agents.ts";
import { Cuts, keepRuleOf, type StoredCut } from "./site/cuts.ts";
import { expiredMappings, closeForExpiry, nextExpiry } from "./site/expiry.ts";
import { Memory } from "./site/memory.ts";
import { Rates } from "./site/rates.ts";
import { ReachableTargets } from "./site/reachable-targets.ts";
import { Records } from "./site/records.ts";
import { sendRoutesToAll } from "./site/routes.ts";
import { Rules } from "./site/rules.ts";
import { Sessions } from "./site/sessions.ts";
import { Shares } from "./site/shares.ts";
import type { Site } from "./site/site.ts";
import { TokenUsage } from "./site/token-usage.ts";
import { Traffic } from "./site/traffic.ts";
import { Visits } from "./site/visits.ts";
import { measure, statusOf } from "./status.ts";
import type { RelayStatus } from "./types.ts";

function randomHex(bytes: number): string {
  return [...crypto.getRandomValues(new Uint8Array(bytes))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The Durable Object of a site: all lanes of the site end here. The state it needs survives hibernation in sockets and storage. */
export class Relay extends DurableObject<Env> implements SiteRelay {
  readonly #instance = randomHex(8);
  readonly #boot: string;
  readonly #site: Site;
  readonly #httpDoor: HttpDoor;
  readonly #meter = new Meter();
  readonly #presence: Presence;
  readonly #handlers: Handlers;
  readonly #memory: Memory;
  readonly #silentLanes: SilentLanes;
  /** The time the alarm is set to, null for none; undefined after hibernation, when it is not known. */
  #alarmAt: number | null | undefined;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    // The platform answers pings without waking the object, so an idle lane costs nothing.
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair("ping", "pong"));
    const lanes = new Lanes(ctx.getWebSockets());
    this.#boot = lanes.boot ?? randomHex(8);
    const shares = new Shares(lanes, () => sessions.demand);
    const graceMs = graceOf(env.GRACE_SECONDS);
    this.#memory = new Memory(ctx.storage, env.SELF_HOSTED === "1" ? ctx.id.toString() : "");
    const sessions = new Sessions({
      lanes,
      ended: (slot) => this.#presence.forget(slot),
      tick: () => this.#tick(Date.now()),
      budget: () => shares.own,
      demandChanged: () => this.#presence.redivide(),
      graceMs,
    });
    const rules = new Rules(this.#memory);
    const records = new Records((ended) => this.#report(ended));
    const tokenUsage = new TokenUsage({
      report: (bytes) => registryOf(env).spend(bytes),
      exhausted: (jti) => this.cutToken(jti, "the token has used up its byte limit"),
    });
    const traffic = new Traffic();
    const reachable = new ReachableTargets(this.#memory);
    const agents = new Agents({
      lanes,
      reachable,
      streams: (slot) => sessions.streams(slot),
      lastHeard: (lane) => this.#silentLanes.lastHeard(lane, Date.now()),
    });
    this.#site = {
      rules,
      cuts: new Cuts(this.#memory),
      lanes,
      agents,
      sessions,
      visits: new Visits({ rules, records, tokenUsage, traffic }),
      rates: new Rates(),
      tokenUsage,
      records,
      traffic,
      ready: () => this.#ready(),
      offlineSince: () => Number(this.#memory.get("offline-since") ?? "0") || null,
    };
    this.#httpDoor = new HttpDoor(this.#site, this.#boot, env.SELF_HOSTED !== "1");
    const renewals = new Renewals({
      lanes,
      renew: (jti) => registryOf(env).renewToken(jti),
      dismiss: (lane, code, reason) => this.#presence.dismiss(lane, code, reason),
    });
    this.#presence = new Presence({
      boot: this.#boot,
      instance: this.#instance,
      graceMs,
      site: this.#site,
      memory: this.#memory,
      reachable,
      shares,
      refresh: () => ctx.waitUntil(this.#refresh()),
      laneJoined: () => ctx.waitUntil(this.#scheduleAlarm()),
      // A failed call is dropped: when an agent is back, the registry is notified anyway.
      agentLeft: (count) => {
        if (count > 0 && !this.#isWatched) return;
        const notified = registryOf(env).agentGone(this.#memory.get("site") ?? "", count);
        ctx.waitUntil(notified.catch(() => undefined));
      },
    });
    this.#silentLanes = new SilentLanes({
      lanes,
      lastPing: ({ socket }) => ctx.getWebSocketAutoResponseTimestamp(socket)?.getTime() ?? 0,
      dismiss: (lane, code, reason) => this.#presence.dismiss(lane, code, reason),
    });
    this.#handlers = {
      site: this.#site,
      presence: this.#presence,
      callerDoor: new CallerDoor(this.#site),
      renew: (lane) => ctx.waitUntil(renewals.renew(lane)),
    };
  }

  /** Serves a visitor's request, or accepts a lane whose token the Worker has verified. */
  override async fetch(request: Request): Promise<Response> {
    this.#meter.request(Date.now());
    this.#checkOverdue(Date.now());
    const visit = decodeHttpVisit(request.url);
    if (visit !== undefined) return this.#httpDoor.serve(visit, request);
    const pass = JSON.parse(request.headers.get(PASS_HEADER) ?? "null") as LanePass | null;
    if (pass === null || request.headers.get("upgrade") !== "websocket")
      return new Response("not a lane", { status: 400 });
    if (this.#memory.get("site") !== pass.site) this.#memory.put("site", pass.site);
    const [client, socket] = Object.values(new WebSocketPair()) as [WebSocket, WebSocket];
    this.ctx.acceptWebSocket(socket);
    socket.serializeAttachment({ ...pass, since: Date.now(), ready: null });
    const lane = this.#site.lanes.add(socket);
    lane.expectHello(HELLO_PATIENCE_MS, () =>
      this.#presence.dismiss(lane, LANE_CLOSE.helloTimeout, "no HELLO in time"),
    );
    return new Response(null, {
      status: 101,
      webSocket: client,
      headers: { "sec-websocket-protocol": "sallyport.v1" },
    });
  }

  /** Resolves when the Worker must abort the WebSocket that it gave this key. */
  severed(key: string): Promise<void> {
    return this.#httpDoor.abortDue(key);
  }

  /** Serves a visitor of one of the Worker's TCP ports; the Worker hands the socket over by `stub.connect(name)`. */
  override async connect(socket: Socket): Promise<void> {
    this.#meter.request(Date.now());
    this.#checkOverdue(Date.now());
    const { localAddress } = await socket.opened;
    const visit = decodeVisit(localAddress ?? "");
    if (visit === null) return void (await socket.close());
    await serveTcp(this.#site, visit, socket);
  }

  override webSocketMessage(socket: WebSocket, message: ArrayBuffer | string): void {
    const lane = this.#site.lanes.of(socket);
    if (lane === undefined) return;
    const now = Date.now();
    this.#meter.message(now);
    lane.heardAt = now;
    this.#checkOverdue(now);
    receive(this.#handlers, lane, message);
  }

  override webSocketClose(socket: WebSocket, code: number): void {
    // The platform answers the close of a hibernatable socket at eviction only, so answer it here; 1005, 1006 and 1015 may not be sent.
    const polite = code === 1000 || (code >= 3000 && code <= 4999);
    try {
      socket.close(polite ? code : 1000);
    } catch {
      // The relay has closed it already.
    }
    this.#site.lanes.disconnected(socket);
    this.#presence.disconnected(socket);
  }

  override webSocketError(socket: WebSocket): void {
    this.#site.lanes.disconnected(socket);
    this.#presence.disconnected(socket);
  }

  /** Takes new rules from the registry: they apply to new streams at once, and open streams that they no longer allow are cut. */
  push(rules: SiteRules): void {
    const changes = this.#site.rules.replace(rules);
    if (changes === null) return;
    for (const mapping of changes.removed)
      this.#cut({ mapping: mapping.id, code: "cut", reason: "the mapping was removed" });
    for (const grant of changes.grants) this.#cut({ grant, code: "cut", reason: "the grant has ended" });
    for (const jti of changes.revoked) this.cutToken(jti);
    for (const mapping of changes.narrowed) this.#cutNarrowed(mapping);
    this.#site.visits.recheck(Date.now());
    sendRoutesToAll(this.#site);
    this.ctx.waitUntil(this.#scheduleAlarm());
  }

  /** Cuts the open streams of mappings that have expired, has callers close their ports, and closes lanes whose token has expired. */
  override async alarm(): Promise<void> {
    const now = Date.now();
    this.#alarmAt = undefined;
    this.#silentLanes.check(now);
    const ended = expiredMappings(this.#site.rules.current, now);
    for (const mapping of ended) this.#cut({ mapping, code: "cut", reason: "the mapping has expired" });
    if (ended.length > 0) sendRoutesToAll(this.#site);
    for (const lane of [...this.#site.lanes.all()]) {
      const end = closeForExpiry(lane.attachment, now);
      if (end !== undefined) this.#presence.dismiss(lane, ...end);
    }
    await this.#scheduleAlarm();
  }

  /** Sets the alarm to the next expiry of a mapping or token; with a webhook configured, also to the next check for silent agents. */
  async #scheduleAlarm(): Promise<void> {
    const now = Date.now();
    const silent = this.env.WEBHOOK_URL ? this.#silentLanes.nextCheck(now) : null;
    const next = earliest(nextExpiry(this.#site.rules.current, this.#site.lanes.all(), now), silent);
    if (next === this.#alarmAt) return;
    this.#alarmAt = next;
    await this.#memory.alarm(next);
  }

  /** Closes all lanes of a token that is no longer valid, and cuts what they carried. */
  cutToken(jti: string, reason = "the token was revoked"): void {
    this.#cut({ token: jti, code: "cut", reason });
    for (const lane of [...this.#site.lanes.all()]) {
      if (lane.attachment.jti !== jti) continue;
      // Streams through this agent don't wait for it to come back.
      const { kind, ready } = lane.attachment;
      if (kind === "agent" && ready !== null)
        this.#site.sessions.drop(ready.number, { code: "cut", reason: "the agent's token was revoked" });
      this.#presence.dismiss(lane, LANE_CLOSE.token, reason);
    }
  }

  /** Has an agent connect to the target of a concrete endpoint, and returns its report. */
  probe(endpoint: string): Promise<ProbeOutcome> {
    return probe(this.#site, endpoint);
  }

  /** An admin watches the edge: from now on, report traffic to the registry every two seconds while there are visitors. */
  async watch(): Promise<void> {
    this.#memory.put("watched", "1");
    if (this.#site.visits.live.length > 0) await this.#report([]);
  }

  async status(): Promise<RelayStatus> {
    const now = Date.now();
    this.#checkOverdue(now);
    await measure(this.#site.lanes);
    return {
      instance: this.#instance,
      boot: this.#boot,
      revision: this.#site.rules.revision,
      agents: this.#site.lanes.agents
        .filter((end) => !this.#silentLanes.isEndSilent(end, now))
        .map((end) => ({ ...statusOf(end), streams: this.#site.sessions.streams(end.number) })),
      callers: this.#site.lanes.callers
        .filter((end) => !this.#silentLanes.isEndSilent(end, now))
        .map((end) => statusOf(end)),
      droppedDatagrams: this.#site.lanes.droppedDatagrams,
      live: this.#site.visits.live,
      refusals: Object.fromEntries(this.#site.records.refusals),
      unreachable: this.#unreachable(),
      recent: this.#site.records.waiting,
      droppedRecords: this.#site.records.dropped,
      usage: this.#meter.usage,
    };
  }

  /** Returns why no agent would dial a target; null when one would, or when no agent is online. */
  whyUnreachable(target: string): string | null {
    return this.#site.agents.unreachableReason(unwrap(parseTarget(target)));
  }

  #unreachable(): Record<string, string> {
    const { rules, agents } = this.#site;
    const reasons = rules.current.mappings.map(
      ({ mapping, target }) => [String(mapping.id), agents.unreachableReason(target)] as const,
    );
    return Object.fromEntries(reasons.flatMap(([id, reason]) => (reason === null ? [] : [[id, reason]])));
  }

  /** Runs every second while there are visitors. */
  #tick(now: number): void {
    this.#checkOverdue(now);
    this.#site.visits.sweep(now);
    this.#site.traffic.look(this.#site.visits.live);
    // A failed report is dropped: the next report is due soon.
    if (this.#site.traffic.isDue(now, this.#isWatched)) this.ctx.waitUntil(this.#report([]).catch(() => undefined));
  }

  /** Reports ended connections, usage and traffic to the registry, and stores its answer: whether an admin is watching. */
  async #report(records: ConnectionRecord[]): Promise<void> {
    const watched = this.#isWatched;
    const traffic = this.#site.traffic.take(this.#site.visits.live, Date.now(), watched);
    const report = { site: this.#memory.get("site") ?? "", usage: this.#meter.take(), traffic };
    const isWatched = await registryOf(this.env).record(records, report);
    if (watched !== isWatched) this.#memory.put("watched", isWatched ? "1" : "");
  }

  get #isWatched(): boolean {
    return this.#memory.get("watched") === "1";
  }

  /** Waits for the first rules, and for an agent. A relay that has rules doesn't wait for newer ones. */
  async #ready(): Promise<void> {
    if (this.#site.rules.revision < 0) await this.#refresh();
    if (this.#site.agents.serving.length === 0) await this.#arrival();
  }

  /** Notifies the registry that an agent has come, and pulls the site's rules. */
  async #refresh(): Promise<void> {
    const site = this.#memory.get("site");
    if (site === undefined) return;
    const registry = registryOf(this.env);
    try {
      await registry.agentCame(site);
      const rules = await registry.siteRules(site);
      if (rules !== null) this.push(rules);
    } catch {
      // The registry can't be reached: existing rules stay in force, and a relay that never had rules refuses all visitors.
    }
  }

  /** Cuts what a rule, grant or token allowed: here, at all ends, and at agents that are away as soon as they are back. */
  #cut(cut: Cut): void {
    this.#storeCut(cut);
    this.#sendCut(cut, this.#site.lanes.ends);
    this.#site.visits.cut(cut);
  }

  /** Has agents recheck the open streams of clients and gateways against a narrower rule: the relay doesn't know those streams. */
  #cutNarrowed(mapping: Mapping): void {
    const cut = { mapping: mapping.id, code: "cut", reason: "no longer allowed: the rule has changed" };
    this.#storeCut({ ...cut, narrowed: true });
    this.#sendCut({ ...cut, keep: keepRuleOf(mapping) }, this.#site.lanes.agents);
  }

  #storeCut(cut: StoredCut): void {
    const { cuts, lanes } = this.#site;
    const notified = lanes.agents.map(({ incarnation }) => incarnation);
    cuts.add(cut, notified, Date.now());
  }

  #sendCut(cut: Cut, ends: readonly End[]): void {
    const frame = encodeControl(TYPE.CUT, cut);
    for (const end of ends) laneOf(end, 0)?.send(frame);
  }

  /**
   * Checks for silent lanes, and runs an overdue alarm: workerd fixes the delay of an alarm when it is set, so after the clock
   * was set forward the alarm comes too late.
   */
  #checkOverdue(now: number): void {
    this.#silentLanes.check(now);
    if (typeof this.#alarmAt === "number" && this.#alarmAt <= now) this.ctx.waitUntil(this.alarm());
  }

  /** Resolves when an agent comes or answers a MARK, or when waiting for one is pointless. */
  #arrival(): Promise<void> {
    return this.#site.lanes.agents.length === 0 ? this.#presence.arrival() : measure(this.#site.lanes);
  }
}

/** Returns the earlier of two times; null means never. */
function earliest(one: number | null, other: number | null): number | null {
  if (one === null || other === null) return one ?? other;
  return Math.min(one, other);
}
