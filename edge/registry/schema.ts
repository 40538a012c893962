import type { Sql } from "./sql.ts";

/**
 * Migrations of the schema, in order; a migration's number is its index + 1. An older Worker may still run alongside a newer
 * one, so each migration only adds tables, columns with defaults, and indexes. Nothing is renamed, dropped or given another meaning.
 */
export const MIGRATIONS: readonly string[] = [
  // sites: `relay_seen` is 1 once an agent has connected to its relay, `pushed` is the last revision that the relay has.
  `
  CREATE TABLE urls (url TEXT PRIMARY KEY, since INTEGER NOT NULL);
  CREATE TABLE keys (kid TEXT PRIMARY KEY, jwk TEXT NOT NULL, created INTEGER NOT NULL, needed_until INTEGER NOT NULL);
  CREATE TABLE sites (
    name TEXT PRIMARY KEY, generation INTEGER NOT NULL, revision INTEGER NOT NULL, created INTEGER NOT NULL,
    removed INTEGER, relay_seen INTEGER NOT NULL DEFAULT 0, pushed INTEGER NOT NULL DEFAULT 0
  );
  CREATE TABLE mappings (
    id INTEGER PRIMARY KEY AUTOINCREMENT, endpoint TEXT NOT NULL UNIQUE, site TEXT NOT NULL, rule TEXT NOT NULL,
    revision INTEGER NOT NULL, created INTEGER NOT NULL, created_by TEXT NOT NULL, changed INTEGER NOT NULL, changed_by TEXT NOT NULL
  );
  CREATE INDEX mappings_site ON mappings (site);
  CREATE TABLE ports (mapping INTEGER NOT NULL, transport TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL);
  CREATE INDEX ports_transport ON ports (transport, first);
  CREATE TABLE tokens (
    jti TEXT PRIMARY KEY, kind TEXT NOT NULL, sub TEXT NOT NULL, site TEXT, issued INTEGER NOT NULL, expires INTEGER NOT NULL,
    issued_by TEXT NOT NULL, claims TEXT NOT NULL, revoked INTEGER
  );
  CREATE INDEX tokens_expires ON tokens (expires);
  CREATE TABLE connections (n INTEGER PRIMARY KEY AUTOINCREMENT, mapping INTEGER, outcome TEXT NOT NULL, record TEXT NOT NULL);
  CREATE TABLE audit (
    n INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL, subject TEXT NOT NULL, detail TEXT NOT NULL
  );
  `,
  // `last`: when the mapping last admitted a visitor.
  `
  CREATE TABLE uses (mapping INTEGER PRIMARY KEY, last INTEGER NOT NULL);
  `,
  `
  CREATE TABLE grants (
    id TEXT PRIMARY KEY, link TEXT NOT NULL UNIQUE, mappings TEXT NOT NULL, recipient TEXT NOT NULL, created INTEGER NOT NULL,
    until INTEGER NOT NULL, created_by TEXT NOT NULL, ipv4 TEXT, ipv6 TEXT
  );
  CREATE INDEX grants_until ON grants (until);
  ALTER TABLE tokens ADD COLUMN kid TEXT;
  CREATE INDEX tokens_sub ON tokens (sub);
  CREATE TABLE refused (mapping INTEGER PRIMARY KEY, count INTEGER NOT NULL);
  `,
  // presence: `told` is the value of `online` last sent to the webhook. notices: expiries already reported.
  `
  CREATE TABLE usage (
    site TEXT NOT NULL, day TEXT NOT NULL, requests INTEGER NOT NULL, messages INTEGER NOT NULL, active_ms INTEGER NOT NULL,
    PRIMARY KEY (site, day)
  );
  CREATE TABLE presence (site TEXT PRIMARY KEY, online INTEGER NOT NULL, since INTEGER NOT NULL, told INTEGER NOT NULL);
  CREATE TABLE notices (key TEXT PRIMARY KEY, at INTEGER NOT NULL);
  CREATE TABLE outbox (n INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL, tries INTEGER NOT NULL, due INTEGER NOT NULL);
  `,
  // audit: `source` is the actor's address. spent: bytes carried by tokens with a byte cap.
  `
  ALTER TABLE audit ADD COLUMN source TEXT NOT NULL DEFAULT '';
  CREATE TABLE spent (jti TEXT PRIMARY KEY, bytes INTEGER NOT NULL);
  `,
  `
  CREATE TABLE traffic (
    minute INTEGER NOT NULL, mapping INTEGER NOT NULL, bytes_in INTEGER NOT NULL, bytes_out INTEGER NOT NULL, PRIMARY KEY (minute, mapping)
  );
  `,
  `
  ALTER TABLE connections ADD COLUMN site TEXT NOT NULL DEFAULT '';
  CREATE INDEX connections_site ON connections (site, n);
  `,
  // grants: hash of the secret of the first browser to use the link, and when it did.
  `
  ALTER TABLE grants ADD COLUMN browser TEXT;
  ALTER TABLE grants ADD COLUMN used INTEGER;
  `,
  // audit: `payer` is the identity whose share of the log an entry counts against, `count` and `last` are for repeated actions.
  // refused_logins: `untold` counts those not yet reported to the webhook, the first at `since`; `told` is the last report.
  `
  ALTER TABLE audit ADD COLUMN payer TEXT NOT NULL DEFAULT '';
  ALTER TABLE audit ADD COLUMN count INTEGER NOT NULL DEFAULT 1;
  ALTER TABLE audit ADD COLUMN last INTEGER;
  CREATE INDEX audit_payer ON audit (payer, n);
  CREATE INDEX connections_kind ON connections (site, mapping, outcome, n);
  CREATE TABLE refused_logins (
    one INTEGER PRIMARY KEY CHECK (one = 1), total INTEGER NOT NULL, untold INTEGER NOT NULL DEFAULT 0,
    since INTEGER NOT NULL DEFAULT 0, told INTEGER NOT NULL DEFAULT 0, source TEXT NOT NULL DEFAULT ''
  );
  `,
  // vacated: endpoints that a mapping gave up, and when. reassigned: mappings at such an endpoint, open to tokens issued after
  // `since`.
  `
  CREATE TABLE vacated (
    mapping INTEGER NOT NULL, endpoint TEXT NOT NULL, owner TEXT NOT NULL, ended INTEGER NOT NULL, PRIMARY KEY (mapping, endpoint)
  );
  CREATE TABLE reassigned (mapping INTEGER PRIMARY KEY, since INTEGER NOT NULL);
  `,
];

/** Runs the migrations that are missing. `transaction` runs each one atomically. */
export function migrate(sql: Sql, transaction: (step: () => void) => void): void {
  sql.exec("CREATE TABLE IF NOT EXISTS migrations (number INTEGER PRIMARY KEY, at INTEGER NOT NULL)");
  const { done } = sql.exec<{ done: number }>("SELECT COALESCE(MAX(number), 0) AS done FROM migrations").one();
  MIGRATIONS.forEach((statements, index) => {
    const number = index + 1;
    if (number <= done) return;
    transaction(() => {
      sql.exec(statements);
      sql.exec("INSERT INTO migrations (number, at) VALUES (?, ?)", number, Date.now());
    });
  });
}
