import { DurableObject } from "cloudflare:workers";
import { LANE_CLOSE } from "../../shared/errors.ts";
import { TYPE } from "../../shared/frame.ts";
import { encodeControl, type Cut } from "../../shared/control.ts";
import { HELLO_PATIENCE_MS } from "../../shared/limits.ts";
import type { ProbeOutcome } from "../../shared/probe.ts";
import type { ConnectionRecord, SiteRules } from "../registry/types.ts";
import { registryOf, type Env } from "../env.ts";
import { PASS_HEADER, type LanePass } from "./lanes/attachment.ts";
import { Callers } from "./doors/forwarded.ts";
import { Cuts } from "./site/cuts.ts";
import { Doorman, type DoormanHost } from "./doors/tcp.ts";
import { endedBy, endOfToken, nextEnd } from "./site/expiry.ts";
import { graceOf } from "./grace.ts";
import { HttpDoor } from "./doors/http.ts";
import { decodeHttpVisit } from "./doors/http-visit.ts";
import { Ingress } from "./site/sessions.ts";
import type { Lane } from "./lanes/lane.ts";
import { laneOf, Lanes } from "./lanes/lanes.ts";
import { measure } from "./measure.ts";
import { Meter } from "./meter.ts";
import { probe } from "./doors/probe.ts";
import { Rates } from "./site/rates.ts";
import { receive, type Post } from "./receive.ts";
import { Reception } from "./reception.ts";
import { Records } from "./site/records.ts";
import { Renewals } from "./renewals.ts";
import { Memory } from "./site/memory.ts";
import { Rules } from "./site/rules.ts";
import { Shares } from "./site/shares.ts";
import { Silence } from "./lanes/silence.ts";
import { Spending } from "./site/spending.ts";
import { statusOf } from "./status.ts";
import { Traffic } from "./site/traffic.ts";
import type { RelayStatus } from "./types.ts";
import { decodeVisit } from "./doors/visit.ts";

function randomHex(bytes: number): string {
  return [...crypto.getRandomValues(new Uint8Array(bytes))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The Durable Object of a site, where lanes meet. Everything it must know survives in sockets and storage. */
export class Relay extends DurableObject<Env> {
  readonly #instance = randomHex(8);
  readonly #boot: string;
  readonly #lanes: Lanes;
  readonly #rules: Rules;
  readonly #records: Records;
  readonly #ingress: Ingress;
  readonly #host: DoormanHost;
  readonly #doorman: Doorman;
  readonly #httpDoor: HttpDoor;
  readonly #meter = new Meter();
  readonly #spending: Spending;
  readonly #traffic = new Traffic();
  readonly #callers: Callers;
  readonly #reception: Reception;
  /** Who is handed what lanes bring. */
  readonly #post: Post;
  readonly #cuts: Cuts;
  readonly #memory: Memory;
  readonly #silence: Silence;
  /** What the alarm is known to be set to; undefined after hibernation. */
  #foreseen: number | null | undefined;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    // Answered by the platform without waking the object; it costs nothing while idle.
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair("ping", "pong"));
    this.#lanes = new Lanes(ctx.getWebSockets());
    this.#boot = this.#lanes.boot ?? randomHex(8);
    const shares = new Shares(this.#lanes, () => this.#ingress.demand);
    const graceMs = graceOf(env.GRACE_SECONDS);
    this.#memory = new Memory(ctx.storage, env.SELF_HOSTED === "1" ? ctx.id.toString() : "");
    this.#rules = new Rules(this.#memory);
    this.#cuts = new Cuts(this.#memory);
    this.#records = new Records((records) => this.#report(records));
    this.#ingress = new Ingress({
      send: (slot, frame, lane) => this.#lanes.send(slot, frame, lane),
      room: (slot, lane) => this.#lanes.room(slot, lane),
      lanes: (slot) => this.#lanes.agent(slot)?.lanes.keys() ?? [],
      ended: (slot) => this.#reception.forget(slot),
      tick: () => this.#tick(Date.now()),
      budget: () => shares.own,
      demands: () => this.#reception.redivide(),
      graceMs,
    });
    const rates = new Rates();
    this.#spending = new Spending({
      tell: (told) => registryOf(env).spend(told),
      over: (jti) => this.cutToken(jti, "the token has carried all it may"),
    });
    const host: DoormanHost = {
      rules: this.#rules,
      lanes: this.#lanes,
      ingress: this.#ingress,
      records: this.#records,
      rates,
      spending: this.#spending,
      traffic: this.#traffic,
      heard: (lane: Lane) => this.#silence.heard(lane, Date.now()),
      refresh: () => this.#refresh(),
      arrival: () => this.#arrival(),
      offlineSince: () => Number(this.#memory.get("offline-since") ?? "0") || null,
    };
    this.#host = host;
    this.#doorman = new Doorman(host);
    this.#httpDoor = new HttpDoor(host, this.#doorman, this.#boot, env.SELF_HOSTED !== "1");
    this.#callers = new Callers({
      rules: this.#rules,
      cuts: this.#cuts,
      lanes: this.#lanes,
      records: this.#records,
      rates,
      traffic: this.#traffic,
      heard: (lane) => this.#silence.heard(lane, Date.now()),
      draining: (slot) => this.#doorman.isDraining(slot),
      elder: () => this.#doorman.elder,
      spending: this.#spending,
    });
    const renewals = new Renewals({
      lanes: this.#lanes,
      renew: (jti) => registryOf(env).renewToken(jti),
      dismiss: (lane, code, reason) => this.#reception.dismiss(lane, code, reason),
    });
    this.#reception = new Reception({
      boot: this.#boot,
      instance: this.#instance,
      graceMs,
      lanes: this.#lanes,
      memory: this.#memory,
      shares,
      cuts: this.#cuts,
      ingress: this.#ingress,
      doorman: this.#doorman,
      callers: this.#callers,
      refresh: () => ctx.waitUntil(this.#refresh()),
      entered: () => ctx.waitUntil(this.#foresee()),
      // Out of reach, the registry is told when an agent is back: then all is well anyway.
      left: (agents) => {
        if (agents > 0 && !this.#isWatched) return;
        const told = registryOf(env).agentGone(this.#memory.get("site") ?? "", agents);
        ctx.waitUntil(told.catch(() => undefined));
      },
    });
    this.#silence = new Silence({
      lanes: this.#lanes,
      pinged: ({ socket }) => ctx.getWebSocketAutoResponseTimestamp(socket)?.getTime() ?? 0,
      dismiss: (lane, code, reason) => this.#reception.dismiss(lane, code, reason),
    });
    this.#post = {
      lanes: this.#lanes,
      ingress: this.#ingress,
      reception: this.#reception,
      doorman: this.#doorman,
      callers: this.#callers,
      spending: this.#spending,
      renew: (lane) => ctx.waitUntil(renewals.renew(lane)),
    };
  }

  /** A visitor's request, or a lane that the Worker has let through. */
  override async fetch(request: Request): Promise<Response> {
    this.#meter.request(Date.now());
    this.#look(Date.now());
    const visit = decodeHttpVisit(request.url);
    if (visit !== undefined) return this.#httpDoor.visit(visit, request);
    const pass = JSON.parse(request.headers.get(PASS_HEADER) ?? "null") as LanePass | null;
    if (pass === null || request.headers.get("upgrade") !== "websocket")
      return new Response("not a lane", { status: 400 });
    if (this.#memory.get("site") !== pass.site) this.#memory.put("site", pass.site);
    const [client, socket] = Object.values(new WebSocketPair()) as [WebSocket, WebSocket];
    this.ctx.acceptWebSocket(socket);
    socket.serializeAttachment({ ...pass, since: Date.now(), ready: null });
    const lane = this.#lanes.add(socket);
    lane.expectHello(HELLO_PATIENCE_MS, () =>
      this.#reception.dismiss(lane, LANE_CLOSE.helloTimeout, "no HELLO in time"),
    );
    return new Response(null, {
      status: 101,
      webSocket: client,
      headers: { "sec-websocket-protocol": "sallyport.v1" },
    });
  }

  /** For the Worker: resolves when it is to break off the WebSocket that it gave this key. */
  severed(key: string): Promise<void> {
    return this.#httpDoor.severed(key);
  }

  /** A visitor at one of the Worker's TCP ports, handed over by `stub.connect(name)`. */
  override async connect(socket: Socket): Promise<void> {
    this.#meter.request(Date.now());
    this.#look(Date.now());
    const { localAddress } = await socket.opened;
    const visit = decodeVisit(localAddress ?? "");
    if (visit === null) return void (await socket.close());
    await this.#doorman.visit(visit, socket);
  }

  override webSocketMessage(socket: WebSocket, message: ArrayBuffer | string): void {
    const lane = this.#lanes.of(socket);
    if (lane === undefined) return;
    const now = Date.now();
    this.#meter.message(now);
    lane.heardAt = now;
    this.#look(now);
    receive(this.#post, lane, message);
  }

  override webSocketClose(socket: WebSocket, code: number): void {
    // Hibernatable sockets are only answered at eviction unless we do it, and 1005, 1006 and 1015 may not be sent.
    const polite = code === 1000 || (code >= 3000 && code <= 4999);
    try {
      socket.close(polite ? code : 1000);
    } catch {
      // Closed by us before.
    }
    this.#lanes.gone(socket);
    this.#reception.gone(socket);
  }

  override webSocketError(socket: WebSocket): void {
    this.#lanes.gone(socket);
    this.#reception.gone(socket);
  }

  /** New rules from the registry: they apply to new streams at once, and end what they no longer allow. */
  push(rules: SiteRules): void {
    const changes = this.#rules.replace(rules);
    if (changes === null) return;
    for (const mapping of changes.removed)
      this.#cut({ mapping: mapping.id, code: "cut", reason: "the mapping was removed" });
    for (const grant of changes.grants) this.#cut({ grant, code: "cut", reason: "the grant has ended" });
    for (const jti of changes.revoked) this.cutToken(jti);
    this.#callers.tellAll();
    this.ctx.waitUntil(this.#foresee());
  }

  /** A mapping or a token has ended by itself: what is open behind it is cut, and callers close its ports. */
  override async alarm(): Promise<void> {
    const now = Date.now();
    this.#foreseen = undefined;
    this.#silence.look(now);
    const ended = endedBy(this.#rules.current, now);
    for (const mapping of ended) this.#cut({ mapping, code: "cut", reason: "the mapping has expired" });
    if (ended.length > 0) this.#callers.tellAll();
    for (const lane of [...this.#lanes.all()]) {
      const end = endOfToken(lane.attachment, now);
      if (end !== undefined) this.#reception.dismiss(lane, ...end);
    }
    await this.#foresee();
  }

  /** Wakes this object when the next mapping or token ends; and, where a webhook is to tell of it, to see whether agents are silent. */
  async #foresee(): Promise<void> {
    const now = Date.now();
    const silent = this.env.WEBHOOK_URL ? this.#silence.next(now) : null;
    const next = earliest(nextEnd(this.#rules.current, this.#lanes.all(), now), silent);
    if (next === this.#foreseen) return;
    this.#foreseen = next;
    await this.#memory.alarm(next);
  }

  /** A token is not good any more: its lanes close, and what they carried ends. */
  cutToken(jti: string, reason = "the token was revoked"): void {
    this.#cut({ token: jti, code: "cut", reason });
    for (const lane of [...this.#lanes.all()]) {
      if (lane.attachment.jti !== jti) continue;
      // What was open through it does not wait for it to come back.
      const { kind, ready } = lane.attachment;
      if (kind === "agent" && ready !== null)
        this.#ingress.drop(ready.number, { code: "cut", reason: "the agent's token was revoked" });
      this.#reception.dismiss(lane, LANE_CLOSE.token, reason);
    }
  }

  /** Has an agent try the target behind a concrete endpoint. */
  probe(endpoint: string): Promise<ProbeOutcome> {
    return probe(this.#host, this.#doorman, endpoint);
  }

  /** Somebody watches the edge: from now on the registry hears every two seconds what visitors do, as long as there are any. */
  async watch(): Promise<void> {
    this.#memory.put("watched", "1");
    if (this.#doorman.live.length > 0) await this.#report([]);
  }

  async status(): Promise<RelayStatus> {
    const now = Date.now();
    this.#look(now);
    await measure(this.#lanes);
    return {
      instance: this.#instance,
      boot: this.#boot,
      revision: this.#rules.revision,
      agents: this.#lanes.agents
        .filter((end) => !this.#silence.isGone(end, now))
        .map((end) => ({ ...statusOf(end), streams: this.#ingress.streams(end.number) })),
      callers: this.#lanes.callers.filter((end) => !this.#silence.isGone(end, now)).map((end) => statusOf(end)),
      droppedDatagrams: this.#lanes.droppedDatagrams,
      live: this.#doorman.live,
      refusals: Object.fromEntries(this.#records.refusals),
      recent: this.#records.waiting,
      droppedRecords: this.#records.dropped,
      usage: this.#meter.usage,
    };
  }

  /** A second has passed, and there are visitors. */
  #tick(now: number): void {
    this.#look(now);
    this.#doorman.sweep(now);
    this.#traffic.look(this.#doorman.live);
    // What is not told now is told with the next.
    if (this.#traffic.isDue(now, this.#isWatched)) this.ctx.waitUntil(this.#report([]).catch(() => undefined));
  }

  /** Tells the registry what ended, and how the site does; it says whether to tell it often. */
  async #report(records: ConnectionRecord[]): Promise<void> {
    const watched = this.#isWatched;
    const traffic = this.#traffic.take(this.#doorman.live, Date.now(), watched);
    const report = { site: this.#memory.get("site") ?? "", usage: this.#meter.take(), traffic };
    const isWatched = await registryOf(this.env).record(records, report);
    if (watched !== isWatched) this.#memory.put("watched", isWatched ? "1" : "");
  }

  get #isWatched(): boolean {
    return this.#memory.get("watched") === "1";
  }

  /** Pulls the site's rules; the registry hears that somebody is there. */
  async #refresh(): Promise<void> {
    const site = this.#memory.get("site");
    if (site === undefined) return;
    const registry = registryOf(this.env);
    try {
      await registry.agentCame(site);
      const rules = await registry.siteRules(site);
      if (rules !== null) this.push(rules);
    } catch {
      // Out of reach: existing mappings go on, and a relay that never had rules refuses (DESIGN section 5).
    }
  }

  #cut(cut: Cut): void {
    const frame = encodeControl(TYPE.CUT, cut);
    const told = this.#lanes.agents.map(({ incarnation }) => incarnation);
    this.#cuts.add(cut, told, Date.now());
    for (const end of this.#lanes.ends) laneOf(end, 0)?.send(frame);
    this.#doorman.cut(cut);
  }

  /**
   * Finds what should have been noticed by now: silent lanes; and ends that have come, if the clock was set on, since an alarm of
   * workerd waits for as long as was said when it was set.
   */
  #look(now: number): void {
    this.#silence.look(now);
    if (typeof this.#foreseen === "number" && this.#foreseen <= now) this.ctx.waitUntil(this.alarm());
  }

  /** Resolves when an agent comes, or shows that it is there; or when waiting for one is pointless. */
  #arrival(): Promise<void> {
    return this.#lanes.agents.length === 0 ? this.#reception.arrival() : measure(this.#lanes);
  }
}

/** The earlier of two times; null: never. */
function earliest(one: number | null, other: number | null): number | null {
  if (one === null || other === null) return one ?? other;
  return Math.min(one, other);
}
