import { LANE_CLOSE } from "../../../shared/wire/errors.ts";
import type { Attachment } from "../lanes/attachment.ts";
import type { Lane } from "../lanes/lane.ts";
import type { ReadRules } from "./rules.ts";

/** When the next mapping of a site, or token of one of its lanes, ends by itself, in milliseconds since 1970; null: none will. */
export function nextExpiry({ mappings }: ReadRules, lanes: Iterable<Lane>, now: number): number | null {
  const tokens = [...lanes].map(({ attachment }) => attachment.expires * 1000);
  const ends = [...mappings.map(({ mapping }) => mapping.expires), ...tokens];
  const ahead = ends.filter((end): end is number => end !== null && end > now);
  return ahead.length === 0 ? null : Math.min(...ahead);
}

/** How a lane is closed whose token has ended, though nothing moves on it; undefined while it has not. */
export function closeForExpiry({ expires, kind, renewOnly }: Attachment, now: number): [number, string] | undefined {
  if (expires * 1000 > now || renewOnly === true) return undefined;
  // Others dial again at once, and may renew it.
  if (kind !== "client") return [LANE_CLOSE.draining, "the token has expired: dial again to renew it"];
  return [LANE_CLOSE.token, "the token has expired"];
}

/** Ids of the mappings that have ended by now: what is open behind them is to be cut. */
export function expiredMappings({ mappings }: ReadRules, now: number): number[] {
  return mappings
    .map(({ mapping }) => mapping)
    .filter(({ expires }) => expires !== null && expires <= now)
    .map(({ id }) => id);
}
