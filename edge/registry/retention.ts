/** What of the past is kept, at most: addresses of visitors are personal data, and nobody reads a log without end. */
export type Retention = {
  /** Connections: each is some 400 bytes. */
  connections: number;
  /** Entries of the audit. */
  audit: number;
  /** Days of either; null: as long as their number allows. */
  days: number | null;
};

/** Enough to see why something failed last week, and who changed what in years. */
export const DEFAULT_RETENTION: Retention = { connections: 10_000, audit: 10_000, days: null };

/** More than these makes a registry slow: take them out with `log --json` or `audit --json` instead. */
export const MAX_KEPT = 1_000_000;
export const MAX_DAYS = 3_650;

type Settings = { LOG_KEEP?: string; AUDIT_KEEP?: string; KEEP_DAYS?: string };

/** What an edge was told to keep, in its variables; what makes no sense there counts as not said. */
export function retentionOf({ LOG_KEEP, AUDIT_KEEP, KEEP_DAYS }: Settings): Retention {
  return {
    connections: numberIn(LOG_KEEP, MAX_KEPT) ?? DEFAULT_RETENTION.connections,
    audit: numberIn(AUDIT_KEEP, MAX_KEPT) ?? DEFAULT_RETENTION.audit,
    days: numberIn(KEEP_DAYS, MAX_DAYS) ?? DEFAULT_RETENTION.days,
  };
}

function numberIn(text: string | undefined, most: number): number | undefined {
  const value = text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : 0;
  return value >= 1 ? Math.min(value, most) : undefined;
}
