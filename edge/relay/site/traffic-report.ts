import type { MappingTraffic } from "../../../shared/rule/live.ts";

export type ByteCounts = { bytesIn: number; bytesOut: number };

/** Bytes of one mapping since the last report that was to be kept. */
export type MappingBytes = ByteCounts & { mapping: number };

/** What a relay tells of its visitors: `live` for those who watch, `moved` to be kept. `ms`: since the report before. */
export type TrafficReport = { ms: number; live: MappingTraffic[]; moved: MappingBytes[] };
