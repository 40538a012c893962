import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { exportArchive } from "../../edge/registry/archive.ts";
import { MIGRATIONS } from "../../edge/registry/schema.ts";
import { Store } from "../../edge/registry/store.ts";
import { sqlStore } from "../support/sql.ts";

const NOW = Date.UTC(2026, 10, 22);

/** Every edge there is has made these tables: changing one here changes nothing there. Add another migration instead. */
const SHIPPED = ["7a4217b2bb55f176", "6695e80f5f859974", "edd6e9c585dbb044", "f2bb37eb42ef54ed", "876813d9db642b99"];

test("a migration that was shipped stays as it is", () => {
  const hashes = MIGRATIONS.map((text) => createHash("sha256").update(text.replace(/\s+/g, " ")).digest("hex"));
  expect(hashes.slice(0, SHIPPED.length).map((hash) => hash.slice(0, 16))).toEqual(SHIPPED);
});

test.each(SHIPPED.map((_, index) => index + 1))("tables as migration %i left them are brought up to date", (done) => {
  const storage = sqlStore();
  storage.sql.exec("CREATE TABLE migrations (number INTEGER PRIMARY KEY, at INTEGER NOT NULL)");
  for (const [index, statements] of MIGRATIONS.slice(0, done).entries()) {
    storage.sql.exec(statements);
    storage.sql.exec("INSERT INTO migrations (number, at) VALUES (?, ?) RETURNING number", index + 1, NOW);
  }
  const rule = JSON.stringify({ endpoint: "8080/tcp", site: "lab", target: "10.0.0.5:80", name: "shop" });
  for (const statement of [
    `INSERT INTO urls (url, since) VALUES ('https://edge.example', ${NOW})`,
    `INSERT INTO sites (name, generation, revision, created) VALUES ('lab', 2, 7, ${NOW})`,
    `INSERT INTO mappings (endpoint, site, rule, revision, created, created_by, changed, changed_by)
     VALUES ('8080/tcp', 'lab', '${rule}', 7, ${NOW}, 'ann', ${NOW}, 'ann')`,
    `INSERT INTO ports (mapping, transport, first, last) VALUES (1, 'tcp', 8080, 8080)`,
    `INSERT INTO audit (at, actor, action, subject, detail) VALUES (${NOW}, 'ann', 'map add', '8080/tcp', '')`,
  ])
    storage.sql.exec(statement);
  const store = new Store(storage);
  expect(store.urls.canonical()).toBe("https://edge.example");
  expect(store.sites.list()).toMatchObject([{ name: "lab", relay: "lab#2", revision: 7 }]);
  expect(store.mappings.byPort(8080, "tcp")).toMatchObject({ name: "shop", access: "public", created: { by: "ann" } });
  expect([...store.journal.uses(), ...store.grants.live(NOW), ...store.usage.since("2026-01-01")]).toEqual([]);
  const entry = {
    at: NOW,
    last: NOW,
    count: 1,
    actor: "ann",
    from: "",
    action: "map add",
    subject: "8080/tcp",
    detail: "",
  };
  expect(store.journal.audits(9)).toEqual([entry]);
});

test("an export takes every table along, or there is a reason why not", () => {
  const storage = sqlStore();
  expect(new Store(storage).sites.list()).toEqual([]);
  const names = storage.sql
    .exec<{ name: string }>("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    .toArray()
    .map(({ name }) => name);
  // Ports follow from mappings, connections and traffic are many and short-lived, and who was told what, or how often logins
  // were refused, is the old edge's affair.
  const left = ["migrations", "ports", "connections", "traffic", "presence", "notices", "outbox", "refused_logins"];
  const taken = Object.keys(exportArchive(storage.sql, NOW).tables);
  expect([...taken, ...left].toSorted()).toEqual(names.toSorted());
});
