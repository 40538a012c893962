import type { MappingTraffic } from "../../../shared/rule/live.ts";

export type ByteCounts = { bytesIn: number; bytesOut: number };

/** Bytes of one mapping since the last report with `moved`. */
export type MappingBytes = ByteCounts & { mapping: number };

/** A relay's report on its visitors: `live` for an admin that watches, `moved` to be stored. `ms`: since the previous report. */
export type TrafficReport = { ms: number; live: MappingTraffic[]; moved: MappingBytes[] };
