import { copyFileSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";

/** How a database is made. */
export interface Recipe {
  readonly pageSize: number;
  readonly rows: number;
  /** Pages of the log after which SQLite moves it into the file; 0: not by itself. */
  readonly checkpoint: number;
  readonly seed: number;
}

/** Copies a database with its log, as they lie on the disk at this moment. */
export function copyDatabase(from: string, to: string): void {
  for (const suffix of ["", "-wal", "-shm"]) rmSync(`${to}${suffix}`, { force: true });
  copyFileSync(from, to);
  if (existsSync(`${from}-wal`)) copyFileSync(`${from}-wal`, `${to}-wal`);
}

/**
 * Makes a database as ours are (tables, indices, long values, rows that are gone again) and gives `look` each stage of it, open,
 * and at last closed.
 */
export function makeDatabase(path: string, { pageSize, rows, checkpoint, seed }: Recipe, look: () => void): void {
  const random = randomOf(seed);
  const database = new DatabaseSync(path);
  database.exec(`PRAGMA page_size=${pageSize}; PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=${checkpoint}`);
  // No power is cut here.
  database.exec("PRAGMA synchronous=OFF");
  database.exec(`
    CREATE TABLE log (id INTEGER PRIMARY KEY, text TEXT, blob BLOB, real REAL, number INT);
    CREATE INDEX log_text ON log (text);
    CREATE INDEX log_large ON log (number) WHERE number > 1000;
    CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;
    CREATE TABLE far (id INTEGER PRIMARY KEY, once TEXT UNIQUE);
    CREATE VIEW texts AS SELECT text FROM log;`);
  const insert = database.prepare("INSERT INTO log (text, blob, real, number) VALUES (?, ?, ?, ?)");
  const put = database.prepare("INSERT OR REPLACE INTO meta VALUES (?, ?)");
  const place = database.prepare("INSERT OR IGNORE INTO far VALUES (?, ?)");
  // It would answer the row's number, which may be too large for one.
  place.setReadBigInts(true);
  for (let row = 0; row < rows; row += 1) {
    const long = random(8) === 0 ? pageSize * 4 : 60;
    insert.run(
      "x".repeat(random(200)) + row,
      new Uint8Array(random(long)),
      random(1000) / 7,
      random(2 ** 31) - 2 ** 30,
    );
    if (random(3) === 0) put.run(`key ${random(100)}`, new Uint8Array(random(100)));
    if (random(4) === 0) place.run(BigInt(random(2 ** 31) - 2 ** 30) * 2n ** BigInt(random(33)), `${row}`);
  }
  look();
  database.exec(`DELETE FROM log WHERE id % ${2 + random(5)} = 0; UPDATE log SET text = text || text WHERE id % 5 = 0`);
  look();
  database.exec("PRAGMA wal_checkpoint(PASSIVE); INSERT INTO log (text) VALUES ('after'); DROP TABLE far");
  look();
  database.close();
  look();
}

/** What SQLite says of a database: "ok", or why not. It may write to it. */
export function quickCheck(path: string): string {
  try {
    const database = new DatabaseSync(path);
    try {
      // Nothing of what it may write is kept.
      database.exec("PRAGMA synchronous=OFF");
      return database
        .prepare("PRAGMA quick_check")
        .all()
        .map((row) => String(Object.values(row)[0]))
        .join("\n");
    } finally {
      database.close();
    }
  } catch (error) {
    return String(error);
  }
}

/** Changes bytes of a file by hand. */
export function alter(path: string, change: (bytes: Buffer) => Uint8Array | void): void {
  const bytes = readFileSync(path);
  writeFileSync(path, change(bytes) ?? bytes);
}

/** Numbers below a bound that only `seed` decides. */
export function randomOf(seed: number): (bound: number) => number {
  let state = seed >>> 0;
  return (bound) => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0;
    const mixed = Math.imul(state ^ (state >>> 12), 0x297a2d39) >>> 0;
    return Math.floor(((mixed ^ (mixed >>> 15)) >>> 0) / (2 ** 32 / bound));
  };
}
