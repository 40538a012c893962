import { LANE_CLOSE } from "../../../shared/wire/errors.ts";
import type { Attachment } from "../lanes/attachment.ts";
import type { Lane } from "../lanes/lane.ts";
import type { ReadRules } from "./rules.ts";

/** Returns when the next mapping of a site, or token of one of its lanes, expires, in milliseconds since 1970; null: none does. */
export function nextExpiry({ mappings }: ReadRules, lanes: Iterable<Lane>, now: number): number | null {
  const tokens = [...lanes].map(({ attachment }) => attachment.expires * 1000);
  const ends = [...mappings.map(({ mapping }) => mapping.expires), ...tokens];
  const ahead = ends.filter((end): end is number => end !== null && end > now);
  return ahead.length === 0 ? null : Math.min(...ahead);
}

/** Returns the close code and reason for a lane whose token has expired, even when it is idle; undefined while it is valid. */
export function closeForExpiry({ expires, kind, renewOnly }: Attachment, now: number): [number, string] | undefined {
  if (expires * 1000 > now || renewOnly === true) return undefined;
  // Agents and gateways dial again at once, and may renew the token.
  if (kind !== "client") return [LANE_CLOSE.draining, "the token has expired: dial again to renew it"];
  return [LANE_CLOSE.token, "the token has expired"];
}

/** Returns the ids of the mappings that have expired, whose streams must be cut. */
export function expiredMappings({ mappings }: ReadRules, now: number): number[] {
  return mappings
    .map(({ mapping }) => mapping)
    .filter(({ expires }) => expires !== null && expires <= now)
    .map(({ id }) => id);
}
