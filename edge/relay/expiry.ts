import type { SiteRules } from "../registry/types.ts";

/** When the next mapping of a site ends by itself, in milliseconds since 1970; null: none will. */
export function nextEnd({ mappings }: SiteRules, now: number): number | null {
  const ahead = mappings.map(({ expires }) => expires).filter((end): end is number => end !== null && end > now);
  return ahead.length === 0 ? null : Math.min(...ahead);
}

/** Ids of the mappings that have ended by now: what is open behind them is to be cut. */
export function endedBy({ mappings }: SiteRules, now: number): number[] {
  return mappings.filter(({ expires }) => expires !== null && expires <= now).map(({ id }) => id);
}
