import { parseAddress, type Address } from "../../../shared/address.ts";
import { Bucket } from "../../../shared/bucket.ts";
import { allows, parseCidr } from "../../../shared/cidr.ts";
import { encodeControl, type Report, type Routes } from "../../../shared/control.ts";
import { encodeDialOptions } from "../../../shared/dial-options.ts";
import { parseEndpoint } from "../../../shared/endpoint.ts";
import { streamCode, type Failure } from "../../../shared/errors.ts";
import { encodeFrame, FLAG_MORE, TYPE, type Frame } from "../../../shared/frame.ts";
import { OPEN_BURST, OPENS_PER_SECOND } from "../../../shared/limits.ts";
import type { Mapping } from "../../../shared/mapping.ts";
import { decodeOpen, encodeDial, encodeFailure, type Open } from "../../../shared/open.ts";
import { decide, isListed } from "../../../shared/policy.ts";
import { isWithin, parseScopes, reachOf, scopesFor, type Scopes } from "../../../shared/reach.ts";
import { refuseRecords } from "../../../shared/resume.ts";
import { all, known } from "../../../shared/result.ts";
import { bracketed, formatSocketAddress, parseSocketAddress } from "../../../shared/socket-address.ts";
import { mayReflect } from "../../../shared/warnings.ts";
import type { Attachment } from "../lanes/attachment.ts";
import type { Cuts } from "../site/cuts.ts";
import { limitsOf, needsOne, targetOf } from "./tcp.ts";
import type { Lane } from "../lanes/lane.ts";
import { isServing, laneOf, type End, type Lanes } from "../lanes/lanes.ts";
import type { Rates } from "../site/rates.ts";
import type { Records } from "../site/records.ts";
import type { Rules } from "../site/rules.ts";
import type { Spending } from "../site/spending.ts";
import type { Traffic } from "../site/traffic.ts";

/** Endpoints on one page of ROUTES: well within the size of a control frame. */
const PAGE = 200;

export type CallersHost = {
  rules: Rules;
  cuts: Cuts;
  lanes: Lanes;
  records: Records;
  rates: Rates;
  traffic: Traffic;
  heard: (lane: Lane) => number;
  draining: (slot: number) => boolean;
  /** The agent that takes all streams of what one agent has to count. */
  elder: () => End | undefined;
  spending: Spending;
};

type Admission =
  | { ok: true; agent: End; dial: Uint8Array }
  | { ok: false; failure: Failure & { again?: boolean }; mapping: Mapping | undefined };

/** Who a stream is for: the address a gateway states, or that of the client's own lane; empty port where none is known. */
type Visitor = { address: Address; text: string };

/** Lets clients and gateways open streams, and tells them what they may open. Synchronous: one await and DATA overtakes OPEN. */
export class Callers {
  readonly #host: CallersHost;
  /** New streams a second of each end: judging one costs more than saying it. */
  readonly #opens = new WeakMap<End, Bucket>();
  /** Parsed scopes by token: an OPEN must not parse them again. */
  readonly #scopes = new Map<string, Scopes>();

  constructor(host: CallersHost) {
    this.#host = host;
  }

  /** Takes an OPEN: passes it on as DIAL, or answers REJECT. */
  open(lane: Lane, frame: Frame): void {
    const { attachment } = lane;
    const channel = attachment.ready?.number ?? 0;
    const where = { lane: frame.lane, channel, slot: frame.slot, stream: frame.stream };
    if (!this.#mayOpen(channel)) {
      const failure: Failure = { code: "busy", reason: `more than ${OPENS_PER_SECOND} new streams a second` };
      lane.send(encodeFrame({ type: TYPE.REJECT, ...where }, encodeFailure(failure)));
      return;
    }
    const open = decodeOpen(frame.payload);
    const admission = this.#admit(attachment, open, frame.slot);
    if (admission.ok) {
      const dial = encodeFrame({ type: TYPE.DIAL, offset: frame.offset, ...where }, admission.dial);
      laneOf(admission.agent, frame.lane)?.send(dial);
      return;
    }
    // It asked the wrong one: with this it finds the right one.
    if (admission.failure.again === true) this.tell(lane);
    lane.send(encodeFrame({ type: TYPE.REJECT, ...where }, encodeFailure(admission.failure)));
    this.#write(attachment, open, admission.mapping, admission.failure);
  }

  /** Marks in a RESUME, in place, the streams whose rule is gone: the agent and the caller end them. */
  authoriseAgain(lane: Lane, frame: Frame): void {
    const { attachment } = lane;
    const { rules } = this.#host;
    const now = Date.now();
    const good = attachment.expires * 1000 > now && !rules.isRevoked(attachment.jti);
    refuseRecords(frame.payload, ({ mapping }) => {
      // A stream that was never answered has no mapping yet: it is opened, and so judged, again.
      if (mapping === 0) return good;
      const rule = rules.byId(mapping);
      if (rule === undefined || !good || (rule.expires !== null && rule.expires <= now)) return false;
      return reachOf(known(parseEndpoint(rule.endpoint)), this.#scopesFor(attachment, rule)).length > 0;
    });
  }

  /** An agent says how a stream of a caller ended: of its own site's mappings, and by our clock. */
  report({ token: _token, at, ended, code, ...record }: Report, site: string): void {
    const now = Date.now();
    const { rules, cuts } = this.#host;
    if (rules.byId(record.mapping) === undefined && !cuts.has(record.mapping, now)) return;
    const lasted = Math.min(now, Math.max(0, ended - at));
    this.#host.traffic.add(record.mapping, record.bytesIn, record.bytesOut);
    this.#host.records.add({
      ...record,
      code: code === "" ? "" : streamCode(code),
      site,
      at: now - lasted,
      ended: now,
    });
  }

  /** Tells all callers what they may open, and through whom. */
  tellAll(): void {
    for (const end of this.#host.lanes.callers) {
      const lane = laneOf(end, 0);
      if (lane !== undefined) this.tell(lane);
    }
  }

  /** A caller has no lane left: the agents let its session wait, or they would keep it for ever. */
  left(end: End): void {
    const frame = encodeFrame({ type: TYPE.AWAY, channel: end.number });
    for (const agent of this.#host.lanes.agents) laneOf(agent, 0)?.send(frame);
  }

  /**
   * A lane of an end is gone while others live. What was sent into it is lost, and its end may have noticed the loss long before:
   * the callers of all sessions that may have used it settle what arrived.
   */
  nudge(end: End): void {
    const { lanes } = this.#host;
    const agents = end.kind === "agent" ? [end] : lanes.agents;
    const callers = end.kind === "agent" ? lanes.callers : [end];
    for (const { number: slot } of agents)
      for (const caller of callers)
        laneOf(caller, 0)?.send(encodeFrame({ type: TYPE.NUDGE, channel: caller.number, slot }));
  }

  /** `slots` are the agents that are there, those of an endpoint the ones that take new streams. */
  tell(lane: Lane): void {
    const { agents } = this.#host.lanes;
    const slots = agents.map((end) => ({
      slot: end.number,
      incarnation: end.incarnation,
      agent: end.identity,
      frameBytes: laneOf(end, 0)?.attachment.ready?.frameBytes,
    }));
    const numbers = slots.map(({ slot }) => slot).filter((slot) => !this.#host.draining(slot));
    const elder = this.#host.elder();
    const one = elder === undefined ? [] : [elder.number];
    const endpoints = this.#reachedBy(lane.attachment).map(({ needsOne: isOne, ...each }) => ({
      ...each,
      slots: isOne ? one : numbers,
    }));
    const { revision } = this.#host.rules;
    for (let first = 0; first === 0 || first < endpoints.length; first += PAGE) {
      const flags = first + PAGE < endpoints.length ? FLAG_MORE : 0;
      const page = { slots, endpoints: endpoints.slice(first, first + PAGE) };
      lane.send(encodeControl(TYPE.ROUTES, page, Math.max(0, revision), flags));
    }
  }

  /** Gateways own the ports of public mappings, and of those that a grant opens for somebody. */
  #reachedBy(
    attachment: Attachment,
  ): (Pick<Routes["endpoints"][number], "endpoint" | "kind" | "access"> & { needsOne: boolean })[] {
    const { mappings, grants } = this.#host.rules.current;
    const now = Date.now();
    const granted = new Set(grants.filter(({ until }) => until > now).flatMap((grant) => grant.mappings));
    return mappings.flatMap((mapping) => {
      if (mapping.expires !== null && mapping.expires <= now) return [];
      const endpoint = known(parseEndpoint(mapping.endpoint));
      if (attachment.kind === "gateway" && endpoint.kind !== "port") return [];
      if (attachment.kind === "gateway" && mapping.access === "token" && !granted.has(mapping.id)) return [];
      const rest = { access: mapping.access, needsOne: needsOne(mapping, attachment.caps) };
      return reachOf(endpoint, this.#scopesFor(attachment, mapping)).map((each) => ({ ...each, ...rest }));
    });
  }

  #admit(attachment: Attachment, open: Open, slot: number): Admission {
    const { rules } = this.#host;
    const now = Date.now();
    const mapping = rules.at(open.endpoint);
    const refuse = (code: Failure["code"], reason: string, again = false): Admission => ({
      ok: false,
      failure: { code, reason, again },
      mapping,
    });
    // Nothing is said of mappings that the token does not reach, not even whether they are there.
    const endpoint = parseEndpoint(open.endpoint);
    const scopes = this.#scopesOf(attachment);
    const counting = mapping === undefined ? scopes : this.#scopesFor(attachment, mapping);
    if (!endpoint.ok || !isWithin(endpoint.value, counting)) {
      const text = open.endpoint.slice(0, 100);
      const isNamed = endpoint.ok && isWithin(endpoint.value, scopes);
      const reason = isNamed
        ? `the token was issued for what was mapped to ${text} before`
        : `the token does not open ${text}`;
      return refuse("denied", reason);
    }
    if (attachment.expires * 1000 <= now) return refuse("expired", "the token has expired");
    if (rules.isRevoked(attachment.jti) || this.#host.spending.isOver(attachment.jti))
      return refuse("denied", "the token is revoked");
    if (rules.revision < 0) return refuse("busy", "the relay has no rules yet");
    if (mapping === undefined) return refuse("no-mapping", `nothing is mapped to ${open.endpoint}`);
    if (endpoint.value.kind === "http") return refuse("denied", "HTTP endpoints are not opened as byte streams");
    const visitor = visitorOf(attachment, open);
    if (visitor === undefined) return refuse("denied", "the visitor's address is not known");
    if (!mayComeFrom(attachment, visitor.address))
      return refuse("denied", `the token may not be used from ${visitor.address.text}`);
    const via = attachment.kind === "client" ? "token" : "public";
    const verdict = decide(mapping, rules.current.grants, { address: visitor.address, via, now });
    if (!verdict.ok) return { ok: false, failure: verdict.failure, mapping };
    const excess = this.#host.rates.take(mapping, visitor.address, now);
    if (excess !== null) return { ok: false, failure: excess, mapping };
    const agent = this.#host.lanes.agent(slot);
    if (agent === undefined || this.#host.draining(slot) || !this.#isHeard(agent, now)) {
      return refuse("slot-gone", `that agent of ${mapping.site} is not online`, true);
    }
    if (needsOne(mapping, attachment.caps) && this.#host.elder()?.number !== slot)
      return refuse("slot-gone", "another agent counts the streams of this endpoint", true);
    const { grant } = verdict;
    const kind = endpoint.value.kind === "port" && endpoint.value.transport === "udp" ? "udp" : "tcp";
    const dial = encodeDial({
      target: targetOf(mapping, open.endpoint),
      kind,
      mapping: mapping.id,
      endpoint: open.endpoint,
      visitor: visitor.text,
      options: optionsOf(mapping, kind, attachment, visitor.address, grant?.until),
      token: attachment.jti,
      grant: grant?.id ?? "",
      hops: 0,
      ref: this.#host.records.name(),
    });
    return { ok: true, agent, dial };
  }

  #mayOpen(channel: number): boolean {
    const end = this.#host.lanes.caller(channel);
    if (end === undefined) return false;
    const bucket = this.#opens.get(end) ?? new Bucket(OPENS_PER_SECOND, OPEN_BURST);
    this.#opens.set(end, bucket);
    return bucket.take(Date.now());
  }

  #isHeard(agent: End, now: number): boolean {
    return isServing(agent, (lane) => this.#host.heard(lane), now);
  }

  /** Those that count for a mapping; of a lane that an older version let in, it is not known when its token was issued. */
  #scopesFor(attachment: Attachment, { id, endpoint }: Mapping): Scopes {
    const { kind, issued } = attachment;
    const since = this.#host.rules.since(id);
    const at = kind === "gateway" ? null : (issued ?? 0);
    const scopes = this.#scopesOf(attachment);
    return since === 0 ? scopes : scopesFor(scopes, known(parseEndpoint(endpoint)), at, since);
  }

  #scopesOf({ jti, endpoints }: Attachment): Scopes {
    const before = this.#scopes.get(jti);
    if (before !== undefined) return before;
    if (this.#scopes.size >= 1_000) this.#scopes.clear();
    const scopes = parseScopes(endpoints ?? []);
    this.#scopes.set(jti, scopes);
    return scopes;
  }

  #write(attachment: Attachment, open: Open, mapping: Mapping | undefined, failure: Failure): void {
    const now = Date.now();
    this.#host.records.add({
      at: now,
      ended: now,
      site: attachment.site,
      mapping: mapping?.id ?? null,
      endpoint: open.endpoint.slice(0, 100),
      target: "",
      visitor: visitorOf(attachment, open)?.text ?? attachment.address,
      bytesIn: 0,
      bytesOut: 0,
      outcome: "refused",
      code: failure.code,
      reason: failure.reason,
    });
  }
}

/** Only a gateway may state a visitor; for a client the relay writes the address of its lane, whatever it says. */
function visitorOf({ kind, address }: Attachment, open: Open): Visitor | undefined {
  if (kind === "gateway") {
    const stated = parseSocketAddress(open.visitor);
    return stated.ok ? { address: stated.value.address, text: formatSocketAddress(stated.value) } : undefined;
  }
  const own = parseAddress(address);
  return own.ok ? { address: own.value, text: bracketed(own.value.text) } : undefined;
}

/** The sources that a visitor's token names; checked at the Worker, and here again where it counts. */
function mayComeFrom({ kind, from }: Attachment, address: Address): boolean {
  return kind !== "client" || from === undefined || allows(known(all(from, parseCidr)), [], address);
}

function optionsOf(
  mapping: Mapping,
  kind: "tcp" | "udp",
  attachment: Attachment,
  address: Address,
  granted: number | undefined,
): string {
  // The relay cuts what an expired mapping leaves behind, for its end may be moved while streams are open.
  // A gateway renews its token and goes on; a visitor's token ends what it opened.
  const ends = [granted, attachment.kind === "client" ? attachment.expires * 1000 : undefined];
  const until = Math.min(...ends.map((each) => each ?? Infinity));
  // Sources that somebody has named are no strangers, and nobody else can be flooded by forging them.
  const isNamed = granted !== undefined || isListed(mapping, address);
  const isProved = attachment.kind === "client" || isNamed || mapping.reflectorOk;
  return encodeDialOptions({
    report: true,
    ...(kind === "tcp" && mapping.proxyProtocol !== null ? { proxyProtocol: mapping.proxyProtocol } : {}),
    ...limitsOf(mapping, attachment.caps ?? {}),
    ...(kind === "udp" && mapping.idleSeconds !== null ? { idleSeconds: mapping.idleSeconds } : {}),
    ...(kind === "udp" && !isProved ? { guard: mayReflect(mapping) ? ("always" as const) : ("first" as const) } : {}),
    ...(until < Infinity ? { until } : {}),
  });
}
