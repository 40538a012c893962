import type { Sql } from "../../registry/sql.ts";

/** Milliseconds until a write to a full disk is tried again; each try may cost the relay its instance. */
const TRY_AGAIN_MS = 600_000;

const UPSERT = "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value";

/**
 * Values that instances of relays in this isolate have written without confirmation from the disk, by relay. Most writes
 * that fail on a full disk can't be caught: the platform discards the instance with its lanes at the end of the turn (workerd,
 * 2026-11-22). The isolate stays, and so does this map.
 */
const pending = new Map<string, Pending>();

/** `since`: when the last write began, in milliseconds since 1970; `writes` counts writes. */
type Pending = { since: number; writes: number; values: Map<string, string> };

export type MemoryStorage = {
  readonly sql: Sql;
  /** Resolves when all writes are on disk; rejects or stays pending when they can't be written. */
  sync: () => Promise<void>;
  setAlarm: (time: number) => Promise<void>;
  deleteAlarm: () => Promise<void>;
};

/**
 * The texts that a relay stores by key, to have them after hibernation. If an earlier instance ended before its writes were
 * confirmed, they are kept in memory only, so that a full disk does not cost the relay its lanes again.
 */
export class Memory {
  readonly #storage: MemoryStorage;
  readonly #relay: string;
  /** Values kept in memory as the disk seems full; undefined while writes succeed. */
  #kept: Pending | undefined;

  /** `relay` identifies this object within its isolate; "" where instances move between machines, so that nothing is kept in memory. */
  constructor(storage: MemoryStorage, relay: string) {
    this.#storage = storage;
    this.#relay = relay;
    const kept = pending.get(relay);
    if (kept !== undefined) this.#keep(kept);
    storage.sql.exec("CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)");
  }

  get(key: string): string | undefined {
    const kept = this.#kept?.values.get(key);
    if (kept !== undefined) return kept;
    return this.#storage.sql.exec<{ value: string }>("SELECT value FROM meta WHERE key = ?", key).toArray()[0]?.value;
  }

  put(key: string, value: string): void {
    if (this.#kept !== undefined) {
      this.#kept.values.set(key, value);
      if (Date.now() - this.#kept.since < TRY_AGAIN_MS) return;
      this.tryAgain();
      return;
    }
    this.#write(new Map([[key, value]]));
  }

  /** Writes everything that was kept in memory: the disk may have free space again. */
  tryAgain(): void {
    const kept = this.#kept;
    this.#kept = undefined;
    if (kept !== undefined) this.#write(kept.values);
  }

  /** Sets the alarm to a time, or deletes it for null. Does nothing on a full disk: expiries are then noticed later. */
  async alarm(time: number | null): Promise<void> {
    if (this.#kept !== undefined) return;
    this.#write(new Map());
    if (time === null) await this.#storage.deleteAlarm();
    else await this.#storage.setAlarm(time);
  }

  #keep(kept: Pending): void {
    this.#kept = kept;
    console.warn("the disk seems to be full: this relay keeps its state in memory only; free some disk space");
  }

  #write(values: ReadonlyMap<string, string>): void {
    const waiting = pending.get(this.#relay) ?? { since: 0, writes: 0, values: new Map() };
    if (this.#relay !== "") pending.set(this.#relay, waiting);
    waiting.since = Date.now();
    waiting.writes += 1;
    for (const [key, value] of values) waiting.values.set(key, value);
    try {
      for (const entry of values) this.#storage.sql.exec(UPSERT, ...entry);
    } catch (error) {
      if (this.#relay === "") throw error;
      this.#keep(waiting);
      return;
    }
    const { writes } = waiting;
    const settle = (): void => {
      if (writes === waiting.writes) pending.delete(this.#relay);
    };
    this.#storage.sync().then(settle, () => undefined);
  }
}
