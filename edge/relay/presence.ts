import { LANE_CLOSE, SessionError } from "../../shared/wire/errors.ts";
import { TYPE, type Frame } from "../../shared/wire/frame.ts";
import { encodeControl, type Hello } from "../../shared/wire/control.ts";
import { DRAIN_MS, HELLOS_PER_SECOND, MAX_DATA, MAX_STREAMS, OPENS_PER_SECOND } from "../../shared/wire/limits.ts";
import { FEATURE_ASK_BUDGET, FEATURE_STANDBY, FEATURE_RULES, PROTOCOL, VERSION } from "../../shared/wire/version.ts";
import { AwayAgents } from "./site/away-agents.ts";
import { HelloPolicy } from "./hello-policy.ts";
import type { Lane } from "./lanes/lane.ts";
import { dataLane } from "./lanes/lane-choice.ts";
import { laneOf, type End } from "./lanes/lanes.ts";
import { sendNudge, sendAway } from "./lanes/notices.ts";
import type { Memory } from "./site/memory.ts";
import type { ReachableTargets } from "./site/reachable-targets.ts";
import { sendRoutes, sendRoutesToAll } from "./site/routes.ts";
import type { Shares } from "./site/shares.ts";
import type { Site } from "./site/site.ts";
import { storedDemand } from "./lanes/stored-demand.ts";

export type PresenceHost = {
  /** Stored in the sockets' attachments, so it survives hibernation. */
  boot: string;
  /** New for each instance of the Durable Object. */
  instance: string;
  /** Milliseconds that sessions outlive their lanes. */
  graceMs: number;
  site: Site;
  memory: Memory;
  reachable: ReachableTargets;
  shares: Shares;
  /** An agent has joined: pull the site's rules, which may have changed. */
  refresh: () => void;
  /** A lane has joined: its token's expiry needs an alarm. */
  laneJoined: () => void;
  /** An agent has left; `agents` are still here. */
  agentLeft: (agents: number) => void;
};

/** The agents and callers that are connected: handles HELLO, takeovers by newer processes, and the loss of lanes. */
export class Presence {
  readonly #host: PresenceHost;
  readonly #awayAgents = new AwayAgents();
  readonly #helloPolicy = new HelloPolicy();

  constructor(host: PresenceHost) {
    this.#host = host;
  }

  /** Resolves when an agent joins, or when waiting for one is pointless. */
  arrival(): Promise<void> {
    return this.#awayAgents.wait();
  }

  /** The session with an agent is over: its slot is not kept any longer. */
  forget(slot: number): void {
    this.#awayAgents.forget(slot);
  }

  /** Answers the HELLO of a lane with WELCOME, or closes the lane with the reason. */
  hello(lane: Lane, hello: Hello): void {
    const { attachment } = lane;
    const { identity } = attachment;
    const { site, shares } = this.#host;
    const facts = {
      existing: () => site.lanes.find(attachment, hello.incarnation),
      hasExcessBacklog: () => site.lanes.backlogs.of(identity).blocksNewLanes,
      hasBudget: () => shares.hasBudget(identity),
      isServed: () => site.lanes.isServed(identity),
    };
    const verdict = this.#helloPolicy.judge(attachment, hello, facts, Date.now());
    switch (verdict.type) {
      case "refused":
        return this.dismiss(lane, verdict.code, verdict.reason);
      case "parked":
        return this.#park(lane, hello, verdict.why);
      case "welcome":
        return this.#enter(lane, hello, verdict.existing);
    }
  }

  #enter(lane: Lane, hello: Hello, existing: End | undefined): void {
    const { attachment } = lane;
    const { site, memory } = this.#host;
    const { lanes, sessions } = site;
    const epoch = Number(memory.get("epoch") ?? "0") + 1;
    memory.put("epoch", String(epoch));
    const number = existing?.number ?? this.#awayAgents.slotOf(attachment.identity, hello.incarnation) ?? epoch;
    const { incarnation, version, frameBytes } = hello;
    const said = this.#host.reachable.store(hello.reach, incarnation);
    lane.save({
      ...attachment,
      said,
      ready: { boot: this.#host.boot, epoch, number, incarnation, lane: hello.lane, version, frameBytes },
    });
    const { end, replaced } = lanes.enter(lane);
    if (hello.alone === true) this.#dropOtherLanes(end, hello.lane);
    this.#host.laneJoined();
    this.#welcome(lane, epoch, attachment.kind === "agent" ? { slot: number } : { channel: number });
    if (existing === undefined && end.kind === "agent") this.#catchUp(lane, end);
    if (existing === undefined) this.#joined(end);
    else if (replaced) {
      sessions.move(number, hello.lane, hello.lane);
      // The agent has lost what was sent into its former lane, perhaps even the SESSION frame of a new session.
      if (end.kind === "agent") sendNudge(lanes, end);
    }
    // Streams that had to use the realtime lane move to the new one.
    else if (hello.lane > 0) sessions.spread(number, 0, hello.lane);
    // Sent on every new lane: a caller that has lost all its lanes may still count as connected here.
    if (end.kind !== "agent") sendRoutes(site, lane);
  }

  /** Takes an agent's second HELLO, which reports its changed rules. Throws SessionError for a second HELLO of any other end. */
  helloAgain(lane: Lane, { kind, incarnation, reach }: Hello): void {
    const { attachment } = lane;
    const { lanes } = this.#host.site;
    const end = attachment.kind === "agent" && kind === "agent" ? lanes.find(attachment, incarnation) : undefined;
    if (end === undefined || incarnation !== attachment.ready?.incarnation)
      throw new SessionError("protocol", "a second HELLO");
    if (!this.#helloPolicy.permit(attachment.identity, Date.now()))
      return this.dismiss(lane, LANE_CLOSE.busy, `more than ${HELLOS_PER_SECOND} HELLOs of this token a second`);
    this.#host.reachable.forget(end);
    const said = this.#host.reachable.store(reach, incarnation);
    for (const each of end.lanes.values()) each.save({ ...each.attachment, said });
    sendRoutesToAll(this.#host.site);
  }

  /** Drops the lanes that their end has lost (HELLO with `alone`): nothing more may be sent into them. */
  #dropOtherLanes(end: End, but: number): void {
    for (const [index, lane] of [...end.lanes]) {
      if (index === but) continue;
      lane.close(LANE_CLOSE.replaced, "its end has lost this lane");
      this.#host.site.lanes.leave(lane.socket);
      if (end.kind === "agent") this.#host.site.sessions.move(end.number, index, but);
    }
  }

  /** Closes a lane with a reason for people, and handles it as lost. */
  dismiss(lane: Lane, code: number, reason: string): void {
    lane.close(code, reason);
    this.disconnected(lane.socket);
  }

  /** Handles the loss of a lane; when it was the last one of its end, the end has left. */
  disconnected(socket: WebSocket): void {
    const { site, memory } = this.#host;
    const { lanes, sessions } = site;
    const lane = lanes.of(socket);
    const end = lanes.leave(socket);
    if (end === undefined) {
      if (lane !== undefined) this.#laneLost(lane);
      return;
    }
    if (end.kind === "agent") {
      this.#awayAgents.agentLost(end, sessions.suspend(end.number));
      this.#host.reachable.forget(end);
      if (lanes.agents.length === 0) memory.put("offline-since", String(Date.now()));
      this.#host.agentLeft(lanes.agents.length);
      sendRoutesToAll(site);
      this.#releaseStandby(end.identity);
    } else {
      sendAway(lanes, end);
    }
    this.redivide();
  }

  /** Handles the loss of one lane of an end that has others: its streams move, and callers are nudged. */
  #laneLost({ attachment: { kind, ready } }: Lane): void {
    const { site } = this.#host;
    const { lanes, sessions } = site;
    if (ready === null) return;
    const end = kind === "agent" ? lanes.agent(ready.number) : lanes.caller(ready.number);
    if (end === undefined || end.lanes.has(ready.lane)) return;
    if (kind === "agent") sessions.move(end.number, ready.lane, dataLane(end));
    sendNudge(lanes, end);
  }

  /** Keeps a lane that only renews its token or stands by: it counts as no agent and no caller. */
  #park(
    lane: Lane,
    { incarnation, version, frameBytes, lane: index }: Hello,
    why: { renew: true } | { standby: true },
  ): void {
    const ready = { boot: this.#host.boot, epoch: 0, number: 0, incarnation, lane: index, version, frameBytes };
    lane.save({ ...lane.attachment, standby: "standby" in why, ready });
    this.#welcome(lane, 0, why);
  }

  /** The process that served an identity has left: has the standby processes of that identity dial again. */
  #releaseStandby(identity: string): void {
    if (this.#host.site.lanes.isServed(identity)) return;
    for (const lane of [...this.#host.site.lanes.all()])
      if (lane.attachment.standby === true && lane.attachment.identity === identity)
        this.dismiss(lane, LANE_CLOSE.draining, "the other process with this token has left: dial again");
  }

  #welcome(
    lane: Lane,
    epoch: number,
    role: { slot: number } | { channel: number } | { renew: true } | { standby: true },
  ): void {
    const { boot, instance, shares, graceMs } = this.#host;
    lane.send(
      encodeControl(TYPE.WELCOME, {
        protocol: PROTOCOL,
        boot,
        instance,
        epoch,
        site: lane.attachment.site,
        ...role,
        budget: shares.of(lane.attachment.identity),
        time: Date.now(),
        graceMs,
        version: VERSION,
        limits: { frameBytes: MAX_DATA, streams: MAX_STREAMS, opensPerSecond: OPENS_PER_SECOND },
        features: [FEATURE_ASK_BUDGET, FEATURE_STANDBY, FEATURE_RULES],
      }),
    );
  }

  /** Sends an agent the cuts that it has missed: rules may have been removed while it was away. */
  #catchUp(lane: Lane, end: End): void {
    const { cuts, rules } = this.#host.site;
    for (const cut of cuts.missed(end.incarnation, Date.now(), (id) => rules.byId(id)?.mapping))
      lane.send(encodeControl(TYPE.CUT, cut));
  }

  /** Handles a new end: divides the budget again, and retires older processes of the same agent. */
  #joined(end: End): void {
    const { site } = this.#host;
    const { lanes, sessions } = site;
    this.redivide();
    if (end.kind !== "agent") return;
    sendRoutesToAll(site);
    for (const other of lanes.agents) {
      if (other.identity === end.identity && other.number !== end.number) this.#retire(other);
    }
    for (const slot of this.#awayAgents.formerSlots(end.identity, end.incarnation)) {
      sessions.drop(slot, { code: "lost", reason: "the agent was restarted" });
    }
    this.#host.refresh();
    this.#awayAgents.forget(end.number);
    sessions.resume(end.number);
    this.#awayAgents.agentJoined();
  }

  /** Drains an agent process that a newer one has replaced: it gets no new streams, and has DRAIN_MS to finish the open ones. */
  #retire(end: End): void {
    const { sessions, agents, lanes } = this.#host.site;
    const reason = "a newer process of this agent took over";
    agents.drain(end.number);
    laneOf(end, 0)?.send(encodeControl(TYPE.GOAWAY, { code: "superseded", reason }, DRAIN_MS));
    const dismiss = (): void => {
      sessions.drop(end.number, { code: "lost", reason });
      for (const lane of [...end.lanes.values()]) this.dismiss(lane, LANE_CLOSE.superseded, reason);
    };
    // Only the ends know the streams of clients and gateways, so a caller may have some open.
    const isIdle = sessions.streams(end.number) === 0 && lanes.callers.length === 0;
    if (isIdle) dismiss();
    else setTimeout(dismiss, DRAIN_MS);
  }

  /** Takes a BUDGET frame, by which an end reports its demand. Throws SessionError when they come too often. */
  ask(lane: Lane, frame: Frame): void {
    const { site, shares } = this.#host;
    const end = site.lanes.find(lane.attachment, lane.attachment.ready?.incarnation ?? "");
    if (end === undefined) return;
    shares.ask(end, frame, performance.now());
    lane.save({ ...lane.attachment, demand: storedDemand(end.demand) });
    this.redivide();
  }

  /** Divides the budget again: an end has joined or left, or a demand has changed. */
  redivide(): void {
    this.#host.shares.divide();
    this.#host.site.sessions.regrant();
  }
}
