export type SqlValue = string | number | null;

/** The part of a Durable Object's SQLite that the tables use; tests have it from elsewhere. */
export interface Sql {
  exec<Row extends Record<string, SqlValue>>(query: string, ...bindings: SqlValue[]): { toArray(): Row[]; one(): Row };
}

/** An object's storage, as far as the registry uses it. */
export interface SqlStore {
  readonly sql: Sql;
  transactionSync<T>(change: () => T): T;
}
