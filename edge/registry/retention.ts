/** How many log entries are kept, and how long. Limited because visitors' addresses are personal data. */
export type Retention = {
  /** Number of connections kept, each about 400 bytes. */
  connections: number;
  /** Number of audit entries kept. */
  audit: number;
  /** Days that both are kept; null for no limit but the number. */
  days: number | null;
};

/** Enough to see why a connection failed last week, and which admin made a change years ago. */
export const DEFAULT_RETENTION: Retention = { connections: 10_000, audit: 10_000, days: null };

/** Upper bounds, beyond which a registry becomes slow; export entries with `log --json` or `audit --json` instead. */
export const MAX_KEPT = 1_000_000;
export const MAX_DAYS = 3_650;

type Settings = { LOG_KEEP?: string; AUDIT_KEEP?: string; KEEP_DAYS?: string };

/** Reads the retention from the edge's variables; an invalid value counts as absent. */
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
