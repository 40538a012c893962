import { parseAddress, sourceBucket } from "../../../shared/address.ts";
import type { Caps } from "../../../shared/claims.ts";
import type { Cut } from "../../../shared/control.ts";
import { encodeDialOptions, type DialOptions } from "../../../shared/dial-options.ts";
import { parseEndpoint } from "../../../shared/endpoint.ts";
import { streamCode, type Failure } from "../../../shared/errors.ts";
import { TYPE } from "../../../shared/frame.ts";
import { MAX_STREAMS } from "../../../shared/limits.ts";
import type { Mapping } from "../../../shared/mapping.ts";
import { encodeDial } from "../../../shared/open.ts";
import { Places } from "../../../shared/places.ts";
import { decide } from "../../../shared/policy.ts";
import { known } from "../../../shared/result.ts";
import { splitHostPort } from "../../../shared/socket-address.ts";
import { formatTarget, parseTarget, targetAt } from "../../../shared/target.ts";
import type { ConnectionRecord } from "../../registry/types.ts";
import type { Ingress } from "../site/sessions.ts";
import type { Lane } from "../lanes/lane.ts";
import { dataLane } from "../lanes/lane-choice.ts";
import { isServing, type End, type Lanes } from "../lanes/lanes.ts";
import type { Rates } from "../site/rates.ts";
import type { Records } from "../site/records.ts";
import type { Rules } from "../site/rules.ts";
import { carry } from "./socket.ts";
import type { Spending } from "../site/spending.ts";
import type { Traffic } from "../site/traffic.ts";
import type { LiveStream } from "../types.ts";
import type { Visit } from "./visit.ts";

export type DoormanHost = {
  rules: Rules;
  lanes: Lanes;
  ingress: Ingress;
  records: Records;
  rates: Rates;
  spending: Spending;
  traffic: Traffic;
  heard: (lane: Lane) => number;
  refresh: () => Promise<void>;
  /** Resolves when an agent comes, or when waiting for one is pointless. */
  arrival: () => Promise<void>;
  /** When the last agent left, in milliseconds since 1970; null if that is not known. */
  offlineSince: () => number | null;
};

/** What let a visitor in: a grant and a token by their ids, "" for none; and when the token ends, in milliseconds since 1970. */
export type Entry = {
  /** As `admit` answered. */
  readonly source: string;
  readonly grant: string;
  readonly token: string;
  readonly caps: Caps;
  readonly until: number | null;
  readonly end: (failure: Failure) => void;
};

/** Lets the edge's own visitors in: decides, chooses an agent, carries, and writes down how it ended. */
export class Doorman {
  readonly #host: DoormanHost;
  readonly #live = new Map<LiveStream, Entry>();
  /** Bytes of live streams that have been counted, of those whose tokens may carry so many only. */
  readonly #counted = new WeakMap<LiveStream, number>();
  readonly #draining = new Set<number>();
  /** By source: one must not take all streams that the edge's own visitors may have. */
  readonly #places = new Places<string>(MAX_STREAMS);

  constructor(host: DoormanHost) {
    this.#host = host;
  }

  get live(): LiveStream[] {
    return [...this.#live.keys()];
  }

  /** An agent said GOAWAY: nothing new for it. */
  draining(slot: number): void {
    this.#draining.add(slot);
  }

  /** Whether an agent is there for a visitor. */
  get attended(): boolean {
    return this.choose() !== undefined;
  }

  /** A visitor is in. */
  enter(live: LiveStream, entry: Entry): void {
    this.#live.set(live, entry);
    this.#places.enter(entry.source);
  }

  /** Ends what its rule, grant or token allowed until now only. `now` in milliseconds since 1970. */
  sweep(now: number): void {
    const { rules } = this.#host;
    for (const [live, entry] of this.#live) {
      const { grant, until, end } = entry;
      this.#count(live, entry);
      const ends = [rules.byId(live.mapping)?.expires, grant === "" ? null : rules.grant(grant)?.until, until];
      if (ends.some((at) => typeof at === "number" && at <= now)) {
        end({ code: "expired", reason: "the rule, grant or token behind it has ended" });
      }
    }
  }

  leave(live: LiveStream): void {
    const entry = this.#live.get(live);
    this.#host.traffic.look([live]);
    this.#live.delete(live);
    if (entry === undefined) return;
    this.#places.leave(entry.source);
    this.#count(live, entry);
  }

  #count(live: LiveStream, { token, caps }: Entry): void {
    if (caps.bytes === undefined) return;
    const carried = live.bytesIn + live.bytesOut;
    const before = this.#counted.get(live) ?? 0;
    this.#counted.set(live, carried);
    this.#host.spending.count(token, caps.bytes, carried - before);
  }

  isDraining(slot: number): boolean {
    return this.#draining.has(slot);
  }

  /** The life of a visitor at one of the Worker's TCP ports. */
  async visit(visit: Visit, socket: Socket): Promise<void> {
    const at = Date.now();
    // A relay that never had rules may be a moment too early; one that had them never waits.
    if (this.#host.rules.revision < 0) await this.#host.refresh();
    if (!this.attended) await this.#host.arrival();
    const mapping = this.#host.rules.at(visit.endpoint);
    const { token = "", caps = {}, judged = 0 } = visit;
    const admitted = this.admit(mapping, { ...visit, token, caps, judged });
    if (!admitted.ok || mapping === undefined) {
      const failure: Failure = admitted.ok ? { code: "no-mapping", reason: "no such mapping" } : admitted.failure;
      this.write(visit, mapping, at, { bytesIn: 0, bytesOut: 0 }, failure);
      await socket.close();
      return;
    }
    const { agent, grant, source } = admitted;
    const ref = this.#host.records.name();
    const target = targetOf(mapping, visit.endpoint);
    const session = this.#host.ingress.session(agent.number);
    const dial = {
      target,
      kind: "tcp",
      mapping: mapping.id,
      endpoint: visit.endpoint,
      visitor: visit.visitor,
      options: optionsOf(mapping, caps),
      token,
      grant,
      hops: 0,
      ref,
    } as const;
    const stream = session.open(TYPE.DIAL, encodeDial(dial), { mapping: mapping.id, lane: dataLane(agent) });
    const live: LiveStream = {
      ref,
      at,
      mapping: mapping.id,
      endpoint: visit.endpoint,
      target,
      visitor: visit.visitor,
      agent: agent.identity,
      bytesIn: 0,
      bytesOut: 0,
    };
    this.enter(live, {
      source,
      grant,
      token,
      caps,
      until: null,
      end: ({ code, reason }) => stream.reset(code, reason),
    });
    this.#host.ingress.keepTime();
    const failure = await carry(socket, stream, live, token === "" ? mapping.onLoss : "tell");
    this.leave(live);
    this.write(visit, mapping, at, live, failure);
  }

  /** Ends what a removed rule allowed. */
  cut(cut: Cut): void {
    const failure: Failure = { code: streamCode(cut.code), reason: cut.reason };
    for (const [live, { grant, token, end }] of this.#live) {
      const isHit =
        live.mapping === cut.mapping ||
        (cut.grant !== undefined && grant === cut.grant) ||
        (cut.token !== undefined && token === cut.token);
      if (isHit) end(failure);
    }
  }

  /** Decides on a visitor and chooses an agent for it. A token that it comes with has been found to cover the endpoint. */
  admit(
    mapping: Mapping | undefined,
    visit: Required<Visit>,
  ): { ok: true; agent: End; grant: string; source: string } | { ok: false; failure: Failure } {
    const refuse = (code: Failure["code"], reason: string) => ({ ok: false as const, failure: { code, reason } });
    if (mapping === undefined) return refuse("no-mapping", `nothing is mapped to ${visit.endpoint}`);
    const address = parseAddress(splitHostPort(visit.visitor)?.host ?? "");
    if (!address.ok) return refuse("denied", "the visitor's address is not known");
    const { rules, spending } = this.#host;
    if (rules.isRevoked(visit.token) || spending.isOver(visit.token)) return refuse("denied", "the token is revoked");
    // Since the Worker looked, another mapping may have come to that endpoint.
    if (visit.judged !== 0 && visit.judged !== mapping.id)
      return refuse("denied", `the token was judged for what was mapped to ${visit.endpoint} before`);
    const via = visit.token === "" ? "public" : "token";
    const verdict = decide(mapping, rules.current.grants, { address: address.value, via, now: Date.now() });
    if (!verdict.ok) return verdict;
    if (
      mapping.maxStreams !== null &&
      this.live.filter((each) => each.mapping === mapping.id).length >= mapping.maxStreams
    ) {
      return refuse("too-many", `${mapping.maxStreams} streams are open already`);
    }
    const source = sourceBucket(address.value);
    if (!this.#places.hasRoom(source))
      return refuse("too-many", `${source} has as many streams as are left for all others`);
    const excess = this.#host.rates.take(mapping, address.value, Date.now());
    if (excess !== null) return { ok: false, failure: excess };
    const agent = this.choose(needsOne(mapping, visit.caps));
    if (agent === undefined) return refuse("no-agent", `no agent of ${mapping.site} is online`);
    return { ok: true, agent, grant: verdict.grant?.id ?? "", source };
  }

  /** The agent with the fewest streams that is not draining and has been heard: a silently dead one is found without ever waking for pings. */
  choose(one = false): End | undefined {
    if (one) return this.elder;
    const able = this.#able;
    const streams = (end: End): number => this.#host.ingress.streams(end.number);
    return able.reduce<End | undefined>(
      (best, end) => (best === undefined || streams(end) < streams(best) ? end : best),
      undefined,
    );
  }

  /** The agent that takes all streams of a mapping whose limits one agent has to keep: the one that has been here longest. */
  get elder(): End | undefined {
    return this.#able.reduce<End | undefined>(
      (elder, end) => (elder === undefined || end.number < elder.number ? end : elder),
      undefined,
    );
  }

  get #able(): End[] {
    const now = Date.now();
    return this.#host.lanes.agents.filter((end) => {
      return !this.#draining.has(end.number) && isServing(end, (lane) => this.#host.heard(lane), now);
    });
  }

  /** Writes down how a visit ended. */
  write(
    visit: Visit,
    mapping: Mapping | undefined,
    at: number,
    tally: { bytesIn: number; bytesOut: number; ref?: string },
    failure: Failure | null,
  ): void {
    const refused = failure !== null && tally.bytesOut === 0 && REFUSALS.has(failure.code);
    const outcome =
      failure === null
        ? "done"
        : refused
          ? "refused"
          : failure.code === "lost" || failure.code === "cut"
            ? failure.code
            : "reset";
    const record: ConnectionRecord = {
      at,
      ended: Date.now(),
      site: mapping?.site ?? "",
      mapping: mapping?.id ?? null,
      endpoint: visit.endpoint,
      target: mapping === undefined ? "" : targetOf(mapping, visit.endpoint),
      visitor: visit.visitor,
      bytesIn: tally.bytesIn,
      bytesOut: tally.bytesOut,
      outcome,
      code: failure?.code ?? "",
      reason: failure?.reason ?? "",
    };
    if (tally.ref !== undefined) record.ref = tally.ref;
    this.#host.records.add(record);
  }
}

/** Failures that mean the stream never was. */
const REFUSALS: ReadonlySet<string> = new Set([
  "no-mapping",
  "denied",
  "expired",
  "no-agent",
  "slot-gone",
  "target-denied",
  "target-refused",
  "target-unreachable",
  "target-timeout",
  "target-unresolved",
  "target-tls",
  "too-many",
  "busy",
  "loop",
]);

/** The one target behind a concrete endpoint of a mapping. */
export function targetOf(mapping: Mapping, endpoint: string): string {
  // Only ranges, and ports of both transports, have endpoints with another name than their own.
  if (endpoint === mapping.endpoint) return mapping.target;
  const target = known(parseTarget(mapping.target));
  const range = known(parseEndpoint(mapping.endpoint));
  const at = known(parseEndpoint(endpoint));
  if (target.kind !== "port" || range.kind !== "port" || at.kind !== "port") return mapping.target;
  return formatTarget(targetAt(target, range, at.first));
}

function optionsOf(mapping: Mapping, caps: Caps): string {
  const { proxyProtocol } = mapping;
  return encodeDialOptions({ ...limitsOf(mapping, caps), ...(proxyProtocol === null ? {} : { proxyProtocol }) });
}

/** What only agents can count and pace: they see the streams of all callers. */
export function limitsOf({ maxStreams, bytesPerSecond }: Mapping, { streams }: Caps): DialOptions {
  return {
    ...(maxStreams === null ? {} : { maxStreams }),
    ...(bytesPerSecond === null ? {} : { bytesPerSecond }),
    ...(streams === undefined ? {} : { tokenStreams: streams }),
  };
}

/** Whether one agent has to see all streams, or several would each keep a limit for themselves. */
export function needsOne({ maxStreams, bytesPerSecond }: Mapping, caps: Caps | undefined): boolean {
  return maxStreams !== null || bytesPerSecond !== null || caps?.streams !== undefined;
}
