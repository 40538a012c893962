import type { TrafficView } from "../shared/rule/api.ts";
import type { LiveMessage, MappingTraffic } from "../shared/rule/live.ts";

/** A mapping's traffic now, in bytes per second, and its latest samples, the newest last. */
export interface Rate {
  readonly site: string;
  readonly streams: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly lately: readonly { readonly bytesIn: number; readonly bytesOut: number }[];
}

/** Bytes of a mapping in each minute of the last hour, both directions together, the oldest first. */
export type Hour = readonly number[];

/** Traffic by mapping id. `until`: the end of the last minute of `hours`, in milliseconds since 1970. */
export interface Traffic {
  readonly rates: ReadonlyMap<number, Rate>;
  readonly hours: ReadonlyMap<number, Hour>;
  readonly until: number;
}

const MINUTE_MS = 60_000;
const MINUTES = 60;
/** Limit on live samples kept, of two seconds each. */
const SAMPLES = 60;

/** Replaces the hours with those that the edge has stored; keeps the live rates. */
export function withHours(traffic: Traffic, view: TrafficView): Traffic {
  const hours = new Map(
    view.mappings.map(({ mapping, bytesIn, bytesOut }) => [
      mapping,
      bytesIn.map((count, minute) => count + (bytesOut[minute] ?? 0)),
    ]),
  );
  return { ...traffic, hours, until: Date.parse(view.until) };
}

/** Applies a report of a site's relay; the site's mappings that it does not name carry nothing. `now` in milliseconds since 1970. */
export function withReport(
  traffic: Traffic,
  { site, ms, mappings }: Extract<LiveMessage, { type: "traffic" }>,
  now: number,
): Traffic {
  const rates = new Map(traffic.rates);
  for (const [id, rate] of rates) if (rate.site === site) rates.set(id, idle(rate));
  for (const report of mappings) rates.set(report.mapping, withSample(rates.get(report.mapping), site, report, ms));
  return { ...withBytes(traffic, mappings, now), rates };
}

/** Replaces the numbers of streams with those of a status; mappings that it does not name have none. */
export function withStreams(
  traffic: Traffic,
  mappings: readonly { id: number; site: string; streams: number }[],
): Traffic {
  const rates = new Map<number, Rate>();
  for (const { id, site, streams } of mappings) {
    const rate = traffic.rates.get(id) ?? { site, streams, bytesIn: 0, bytesOut: 0, lately: [] };
    if (streams > 0 || rate.lately.length > 0) rates.set(id, { ...rate, streams });
  }
  return { ...traffic, rates };
}

function idle(rate: Rate): Rate {
  return { ...rate, streams: 0, bytesIn: 0, bytesOut: 0, lately: appended(rate.lately, { bytesIn: 0, bytesOut: 0 }) };
}

function withSample(before: Rate | undefined, site: string, report: MappingTraffic, ms: number): Rate {
  const seconds = Math.max(1, ms / 1000);
  const sample = { bytesIn: report.bytesIn / seconds, bytesOut: report.bytesOut / seconds };
  // It has been counted as still already.
  const lately = appended(before?.lately.slice(0, -1) ?? [], sample);
  return { site, streams: report.streams, ...sample, lately };
}

function appended<T>(list: readonly T[], item: T): T[] {
  return [...list.slice(1 - SAMPLES), item];
}

/** Adds reported bytes to the current minute. */
function withBytes(traffic: Traffic, mappings: readonly MappingTraffic[], now: number): Traffic {
  const moved = mappings.filter(({ bytesIn, bytesOut }) => bytesIn + bytesOut > 0);
  if (moved.length === 0) return traffic;
  const { hours: before, until } = shiftedTo(traffic, now);
  const hours = new Map(before);
  for (const { mapping, bytesIn, bytesOut } of moved) {
    const hour = [...(hours.get(mapping) ?? Array.from({ length: MINUTES }, () => 0))];
    hour[MINUTES - 1] = (hour[MINUTES - 1] ?? 0) + bytesIn + bytesOut;
    hours.set(mapping, hour);
  }
  return { ...traffic, hours, until };
}

/** Shifts the hours so that they end with the minute of `now`. */
export function shiftedTo(traffic: Traffic, now: number): Traffic {
  const until = (Math.floor(now / MINUTE_MS) + 1) * MINUTE_MS;
  const minutes = Math.min(MINUTES, Math.round((until - traffic.until) / MINUTE_MS));
  if (minutes <= 0) return traffic;
  const none = Array.from({ length: minutes }, () => 0);
  const hours = new Map([...traffic.hours].map(([id, hour]) => [id, [...hour.slice(minutes), ...none]]));
  return { ...traffic, hours, until };
}
