import type { MappingBytes } from "../relay/site/traffic-report.ts";
import type { Sql } from "./sql.ts";

/** Minutes of traffic kept for each mapping. */
export const TRAFFIC_MINUTES = 60;
const MINUTE_MS = 60_000;

/** A mapping's traffic in the last hour: bytes of each minute, the oldest first. */
export type MappingHour = { mapping: number; bytesIn: number[]; bytesOut: number[] };

/** The table of bytes carried by mappings, by minute. */
export class TrafficTable {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  add(moved: readonly MappingBytes[], now: number): void {
    if (moved.length === 0) return;
    const minute = Math.floor(now / MINUTE_MS);
    for (const { mapping, bytesIn, bytesOut } of moved) {
      this.#sql.exec(
        `INSERT INTO traffic (minute, mapping, bytes_in, bytes_out) VALUES (?, ?, ?, ?)
         ON CONFLICT (minute, mapping) DO UPDATE SET bytes_in = bytes_in + excluded.bytes_in, bytes_out = bytes_out + excluded.bytes_out`,
        minute,
        mapping,
        bytesIn,
        bytesOut,
      );
    }
    this.#sql.exec("DELETE FROM traffic WHERE minute <= ?", minute - TRAFFIC_MINUTES);
  }

  /** Returns the traffic of mappings that carried bytes in the hour before `now` (milliseconds since 1970). */
  lastHour(now: number): MappingHour[] {
    const first = Math.floor(now / MINUTE_MS) - TRAFFIC_MINUTES + 1;
    const rows = this.#sql
      .exec<{ minute: number; mapping: number; bytes_in: number; bytes_out: number }>(
        "SELECT minute, mapping, bytes_in, bytes_out FROM traffic WHERE minute >= ? ORDER BY mapping",
        first,
      )
      .toArray();
    const hours = new Map<number, MappingHour>();
    for (const { minute, mapping, bytes_in: bytesIn, bytes_out: bytesOut } of rows) {
      const hour = hours.get(mapping) ?? { mapping, bytesIn: noMinutes(), bytesOut: noMinutes() };
      hour.bytesIn[minute - first] = bytesIn;
      hour.bytesOut[minute - first] = bytesOut;
      hours.set(mapping, hour);
    }
    return [...hours.values()];
  }
}

function noMinutes(): number[] {
  return Array.from({ length: TRAFFIC_MINUTES }, () => 0);
}
