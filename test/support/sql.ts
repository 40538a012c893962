import { DatabaseSync } from "node:sqlite";
import type { SqlStore, SqlValue } from "../../edge/registry/sql.ts";

/** A Durable Object's SQLite as the registry uses it, in memory. */
export function sqlStore(): SqlStore {
  const database = new DatabaseSync(":memory:");
  function exec<Row extends Record<string, SqlValue>>(query: string, ...bindings: SqlValue[]) {
    // Like the object's: several statements at once, as long as nothing is bound.
    if (bindings.length === 0 && !/^\s*SELECT/i.test(query)) {
      database.exec(query);
      return { toArray: (): Row[] => [], one: (): Row => ({}) as Row };
    }
    const rows = database.prepare(query).all(...bindings) as Row[];
    const one = (): Row => {
      const [row, ...more] = rows;
      if (row === undefined || more.length > 0) throw new Error(`expected one row, got ${rows.length}`);
      return row;
    };
    return { toArray: () => rows, one };
  }
  return {
    sql: { exec },
    transactionSync<T>(change: () => T): T {
      database.exec("SAVEPOINT change");
      try {
        return change();
      } catch (error) {
        database.exec("ROLLBACK TO change");
        throw error;
      } finally {
        database.exec("RELEASE change");
      }
    },
  };
}
