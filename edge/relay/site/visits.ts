import type { Cut } from "../../../shared/wire/control.ts";
import { streamCode, type Failure } from "../../../shared/wire/errors.ts";
import { MAX_STREAMS } from "../../../shared/wire/limits.ts";
import type { Mapping } from "../../../shared/rule/mapping.ts";
import { FairLimit } from "../../../shared/fair-limit.ts";
import type { ConnectionRecord } from "../../registry/types.ts";
import type { LiveStream } from "../types.ts";
import { permit, type Admitted } from "./admission.ts";
import type { MappedEndpoint } from "./mapped-endpoint.ts";
import type { Records } from "./records.ts";
import type { Rules } from "./rules.ts";
import type { TokenUsage } from "./token-usage.ts";
import type { Traffic } from "./traffic.ts";
import { capsOf, tokenOf, type Visit } from "./visit.ts";

export type VisitsHost = {
  readonly rules: Rules;
  readonly records: Records;
  readonly tokenUsage: TokenUsage;
  readonly traffic: Traffic;
};

/** An admitted visitor. `end` ends its stream. */
type Entry = {
  readonly visit: Visit;
  readonly source: string;
  readonly grant: string;
  readonly end: (failure: Failure) => void;
};

/** Visitors at the edge's own ports and hosts: their open streams, the limits on these, and the records of how they ended. */
export class Visits {
  readonly #host: VisitsHost;
  readonly #live = new Map<LiveStream, Entry>();
  /** Bytes counted so far of each open stream whose token has a byte limit. */
  readonly #counted = new WeakMap<LiveStream, number>();
  /** Limits the streams of each source, so that one can't take all that the edge's own visitors may have. */
  readonly #streamSlots = new FairLimit<string>(MAX_STREAMS);

  constructor(host: VisitsHost) {
    this.#host = host;
  }

  get live(): LiveStream[] {
    return [...this.#live.keys()];
  }

  /** Returns the refusal when one more stream would exceed a limit; null otherwise. */
  limitExceeded(mapping: Mapping, source: string): Failure | null {
    const { maxStreams } = mapping;
    if (maxStreams !== null && this.#of(mapping.id).length >= maxStreams)
      return { code: "too-many", reason: `${maxStreams} streams are open already` };
    if (!this.#streamSlots.canAcquire(source))
      return { code: "too-many", reason: `${source} has as many streams as are left for all others` };
    return null;
  }

  /** Adds an admitted visitor. `end` ends its stream. */
  enter(live: LiveStream, visit: Visit, { source, grant }: Admitted, end: Entry["end"]): void {
    this.#live.set(live, { visit, source, grant: grant?.id ?? "", end });
    this.#streamSlots.acquire(source);
  }

  leave(live: LiveStream): void {
    const entry = this.#live.get(live);
    this.#host.traffic.look([live]);
    this.#live.delete(live);
    if (entry === undefined) return;
    this.#streamSlots.release(entry.source);
    this.#count(live, entry);
  }

  /** Ends the streams whose rule, grant or token has expired. `now` in milliseconds since 1970. */
  sweep(now: number): void {
    const { rules } = this.#host;
    for (const [live, entry] of this.#live) {
      const { grant, visit, end } = entry;
      this.#count(live, entry);
      const until = visit.by.kind === "judged" ? visit.by.until : null;
      const ends = [rules.byId(live.mapping)?.mapping.expires, grant === "" ? null : rules.grant(grant)?.until, until];
      if (ends.some((at) => typeof at === "number" && at <= now))
        end({ code: "expired", reason: "the rule, grant or token behind it has ended" });
    }
  }

  /** Checks all open streams again, after rules, grants or tokens have changed. `now` in milliseconds since 1970. */
  recheck(now: number): void {
    const kept = new Map<number, number>();
    for (const [live, { visit, end }] of [...this.#live]) {
      const cut = (reason: string): void => end({ code: "cut", reason });
      const permitted = permit(this.#host, visit, now);
      if (!permitted.ok) {
        cut(`no longer allowed: ${permitted.failure.reason}`);
        continue;
      }
      const { id, maxStreams } = permitted.at.mapping;
      const before = kept.get(id) ?? 0;
      if (id !== live.mapping) cut("the mapping was removed");
      // In the order of arrival: over a lower limit, the newest streams end.
      else if (maxStreams !== null && before >= maxStreams)
        cut(`no longer allowed: more than ${maxStreams} streams at once`);
      else kept.set(id, before + 1);
    }
  }

  /** Ends the streams that a removed rule, grant or token allowed. */
  cut(cut: Cut): void {
    const failure: Failure = { code: streamCode(cut.code), reason: cut.reason };
    for (const [live, { grant, visit, end }] of this.#live) {
      const isHit =
        live.mapping === cut.mapping ||
        (cut.grant !== undefined && grant === cut.grant) ||
        (cut.token !== undefined && tokenOf(visit.by) === cut.token);
      if (isHit) end(failure);
    }
  }

  /** Records how a visit ended. `mapped`: the endpoint that it came to. */
  write(
    { endpoint, visitor }: { endpoint: string; visitor: string },
    mapped: MappedEndpoint | undefined,
    at: number,
    tally: { bytesIn: number; bytesOut: number; ref?: string },
    failure: Failure | null,
  ): void {
    const record: ConnectionRecord = {
      at,
      ended: Date.now(),
      site: mapped?.mapping.site ?? "",
      mapping: mapped?.mapping.id ?? null,
      endpoint,
      target: mapped?.targetText ?? "",
      visitor,
      bytesIn: tally.bytesIn,
      bytesOut: tally.bytesOut,
      outcome: outcomeOf(failure, tally.bytesOut),
      code: failure?.code ?? "",
      reason: failure?.reason ?? "",
    };
    if (tally.ref !== undefined) record.ref = tally.ref;
    this.#host.records.add(record);
  }

  #of(mapping: number): [LiveStream, Entry][] {
    return [...this.#live].filter(([live]) => live.mapping === mapping);
  }

  #count(live: LiveStream, { visit }: Entry): void {
    const { bytes } = capsOf(visit.by);
    if (bytes === undefined) return;
    const carried = live.bytesIn + live.bytesOut;
    const before = this.#counted.get(live) ?? 0;
    this.#counted.set(live, carried);
    this.#host.tokenUsage.count(tokenOf(visit.by), bytes, carried - before);
  }
}

function outcomeOf(failure: Failure | null, bytesOut: number): ConnectionRecord["outcome"] {
  if (failure === null) return "done";
  if (bytesOut === 0 && REFUSALS.has(failure.code)) return "refused";
  return failure.code === "lost" || failure.code === "cut" ? failure.code : "reset";
}

/** Failures that mean the stream was never open. */
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
