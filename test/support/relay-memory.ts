import { Memory } from "../../edge/relay/site/memory.ts";
import type { Sql, SqlValue } from "../../edge/registry/sql.ts";

let relays = 0;

/**
 * A relay's memory, life after life, on a disk that can be full: then nothing that is written lasts, and the life that wrote
 * it never hears that it is on disk.
 */
export function relayMemory(sql: Sql) {
  relays += 1;
  const relay = `relay ${relays}`;
  const disk = {
    isFull: false,
    /** Whether a write fails where it is made, which it seldom does. */
    throws: false,
    /** Times something was written to the full disk: each would have cost the relay its instance. */
    lost: 0,
    alarm: null as number | null,
    live: () => {
      const write = (change: () => void): void => {
        if (disk.isFull) disk.lost += 1;
        else change();
      };
      return new Memory(
        {
          sql: {
            exec: <Row extends Record<string, SqlValue>>(query: string, ...bindings: SqlValue[]) => {
              if (!disk.isFull || !query.startsWith("INSERT")) return sql.exec<Row>(query, ...bindings);
              if (disk.throws) throw new Error("database or disk is full: SQLITE_FULL");
              disk.lost += 1;
              return { toArray: (): Row[] => [], one: (): Row => ({}) as Row };
            },
          },
          sync: () => (disk.isFull ? new Promise(() => undefined) : Promise.resolve()),
          setAlarm: async (time) => write(() => (disk.alarm = time)),
          deleteAlarm: async () => write(() => (disk.alarm = null)),
        },
        relay,
      );
    },
  };
  return disk;
}
