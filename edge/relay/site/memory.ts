import type { Sql } from "../../registry/sql.ts";

/** A disk that was full is tried again after so many milliseconds; each try may cost the relay its instance. */
const TRY_AGAIN_MS = 600_000;

const UPSERT = "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value";

/**
 * What the former lives of relays on this machine have put and never saw on disk, by relay. Few writes that
 * fail on a full disk can be caught: mostly the platform throws the whole instance away, with its lanes, when the turn is over
 * (workerd, 2026-11-22). The isolate stays, and so does this.
 */
const pending = new Map<string, Pending>();

/** `since` when a write was begun last, in milliseconds since 1970; `writes` counts them. */
type Pending = { since: number; writes: number; values: Map<string, string> };

export type MemoryStorage = {
  readonly sql: Sql;
  /** Resolves when all that was written is on disk; never, or with an error, when it never will be. */
  sync: () => Promise<void>;
  setAlarm: (time: number) => Promise<void>;
  deleteAlarm: () => Promise<void>;
};

/**
 * What a relay must know after hibernation: a few texts in its storage. When an earlier life ended before it knew them to be
 * on disk, they are only kept here, so that a full disk never costs lanes twice.
 */
export class Memory {
  readonly #storage: MemoryStorage;
  readonly #relay: string;
  /** What an earlier life could not write; undefined while the disk is as it should be. */
  #kept: Pending | undefined;

  /** `relay` names this object on its machine; "" where instances move between machines, and nothing is kept here. */
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

  /** The disk may have room again: everything that was only kept here is written. */
  tryAgain(): void {
    const kept = this.#kept;
    this.#kept = undefined;
    if (kept !== undefined) this.#write(kept.values);
  }

  /** Has `alarm` called at that time, or not at all; on a full disk what ends is noticed at the next occasion only. */
  async alarm(time: number | null): Promise<void> {
    if (this.#kept !== undefined) return;
    this.#write(new Map());
    if (time === null) await this.#storage.deleteAlarm();
    else await this.#storage.setAlarm(time);
  }

  #keep(kept: Pending): void {
    this.#kept = kept;
    console.warn("the disk seems to be full: what this relay learns is not written down");
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
