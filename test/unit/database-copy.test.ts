import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setImmediate as turn, setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { copyDatabase } from "../../cli/serve/database-copy.ts";
import { quickCheck } from "../support/database.ts";
import { tempDir } from "../support/temp-dir.ts";

const NEVER = new AbortController().signal;

/** A database that is written to until the end of its scope, with a pause after each change, which moves an amount from one row to another. */
function ledger(path: string, checkpoint: number, pause: () => Promise<unknown>) {
  const database = new DatabaseSync(path);
  database.exec(`PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=${checkpoint}; PRAGMA synchronous=OFF`);
  database.exec("CREATE TABLE account (id INTEGER PRIMARY KEY, amount INT, filling TEXT)");
  database.exec("CREATE INDEX amounts ON account (amount)");
  const filling = "x".repeat(700);
  for (let id = 0; id < 2_000; id += 1) database.prepare("INSERT INTO account VALUES (?, 100, ?)").run(id, filling);
  const over = new AbortController();
  let changes = 0;
  const write = async (): Promise<void> => {
    const move = database.prepare("UPDATE account SET amount = amount + ? WHERE id = ?");
    while (!over.signal.aborted) {
      const [from, to] = [(changes * 7) % 2_000, (changes * 13 + 5) % 2_000];
      database.exec("BEGIN");
      move.run(-1, from);
      move.run(1, to);
      database.exec("COMMIT");
      changes += 1;
      await pause();
    }
  };
  const writing = write();
  return {
    get changes() {
      return changes;
    },
    [Symbol.asyncDispose]: async () => {
      over.abort();
      await writing;
      database.close();
    },
  };
}

function total(path: string): unknown {
  using database = new DatabaseSync(path);
  return { ...database.prepare("SELECT sum(amount) AS total, count(*) AS count FROM account").get() };
}

test("a copy that is made while the database is written to is what it was at some moment", async () => {
  await using folder = await tempDir();
  await using book = ledger(join(folder.path, "book.sqlite"), 1_000, () => sleep(1));
  for (let n = 0; n < 10; n += 1) {
    const before = book.changes;
    const copy = join(folder.path, `copy-${n}.sqlite`);
    expect(await copyDatabase(join(folder.path, "book.sqlite"), copy, NEVER)).toBe(true);
    expect(book.changes).toBeGreaterThan(before);
    expect(quickCheck(copy)).toBe("ok");
    expect(total(copy)).toEqual({ total: 200_000, count: 2_000 });
  }
});

test("a database whose log begins anew again and again is not copied rather than copied badly", async () => {
  await using folder = await tempDir();
  await using book = ledger(join(folder.path, "book.sqlite"), 4, () => turn());
  const copy = join(folder.path, "copy.sqlite");
  const isCopied = await copyDatabase(join(folder.path, "book.sqlite"), copy, NEVER);
  expect(book.changes).toBeGreaterThan(0);
  expect(isCopied).toBe(false);
});
