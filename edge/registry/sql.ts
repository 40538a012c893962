export type SqlValue = string | number | null;

/** The part of a Durable Object's SQLite API that the tables use; tests implement it with another SQLite. */
export interface Sql {
  exec<Row extends Record<string, SqlValue>>(query: string, ...bindings: SqlValue[]): { toArray(): Row[]; one(): Row };
}

/** The part of a Durable Object's storage that the registry uses. */
export interface SqlStore {
  readonly sql: Sql;
  transactionSync<T>(change: () => T): T;
}
