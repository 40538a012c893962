import fc from "fast-check";
import {
  closeSync,
  copyFileSync,
  existsSync,
  openSync,
  readSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { faultIn } from "../../cli/serve/sqlite/check.ts";
import { readWal } from "../../cli/serve/sqlite/wal.ts";
import { alter, copyDatabase, makeDatabase, quickCheck, randomOf, type Recipe } from "../support/database.ts";
import { tempDir } from "../support/temp-dir.ts";

const recipes = fc.record({
  pageSize: fc.constantFrom(512, 1024, 4096, 65_536),
  rows: fc.nat(300),
  checkpoint: fc.constantFrom(0, 10, 1_000),
  seed: fc.nat(),
});

const RECIPE: Recipe = { pageSize: 4096, rows: 300, checkpoint: 0, seed: 7 };

/** Damage of one file, and whether SQLite's own check finds it: what it does not look at, ours need not either. */
const DAMAGES: Record<
  string,
  (bytes: Buffer, pageSize: number, random: (bound: number) => number) => Uint8Array | void
> = {
  "a page of zeroes": (bytes, size, random) => {
    const page = random(bytes.length / size) * size;
    bytes.fill(0, page, page + size);
  },
  "a page of garbage": (bytes, size, random) => garbage(bytes, random(bytes.length / size) * size, size, random),
  "garbage in every page": (bytes, size, random) => {
    for (let page = 0; page < bytes.length; page += size) garbage(bytes, page + random(size), 64, random);
  },
  "256 random bytes": (bytes, _size, random) => garbage(bytes, random(bytes.length), 256, random),
  "a bit of a page's head": (bytes, size, random) => {
    const at = random(bytes.length / size) * size + random(40);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << random(8));
  },
  "pages changed about": (bytes, size, random) => {
    const [one, other] = [random(bytes.length / size) * size, random(bytes.length / size) * size];
    const kept = Buffer.from(bytes.subarray(one, one + size));
    bytes.copyWithin(one, other, other + size);
    kept.copy(bytes, other);
  },
  "an end that is gone": (bytes, _size, random) => bytes.subarray(0, random(bytes.length)),
};

function garbage(bytes: Buffer, from: number, length: number, random: (bound: number) => number): void {
  for (let at = from; at < Math.min(bytes.length, from + length); at += 1) bytes[at] = random(256);
}

test("what SQLite has written has no fault, at any moment", async () => {
  await using folder = await tempDir();
  let n = 0;
  fc.assert(
    fc.property(recipes, (recipe) => {
      const path = join(folder.path, `${(n += 1)}.sqlite`);
      makeDatabase(path, recipe, () => {
        expect(faultIn(path)).toBeUndefined();
        // Cut off while SQLite has it open: what a power cut leaves, or a kill.
        const copy = join(folder.path, "copy.sqlite");
        copyDatabase(path, copy);
        expect(faultIn(copy)).toBeUndefined();
      });
    }),
    { numRuns: 25 },
  );
});

test.for(Object.entries(DAMAGES))("%s: what SQLite takes for damaged has a fault", async ([, damage]) => {
  await using folder = await tempDir();
  const path = join(folder.path, "whole.sqlite");
  const copy = join(folder.path, "copy.sqlite");
  const stages: string[] = [];
  makeDatabase(path, RECIPE, () => {
    const stage = join(folder.path, `stage-${stages.length}.sqlite`);
    copyDatabase(path, stage);
    stages.push(stage);
  });
  let found = 0;
  for (let seed = 0; seed < 40; seed += 1) {
    const random = randomOf(seed);
    copyDatabase(stages[random(stages.length)] ?? "", copy);
    const target = existsSync(`${copy}-wal`) && random(4) === 0 ? `${copy}-wal` : copy;
    alter(target, (bytes) => damage(bytes, RECIPE.pageSize, random));
    const ours = faultIn(copy);
    const theirs = quickCheck(copy);
    // A schema that only its parser can tell is wrong is left to it.
    if (theirs !== "ok" && !theirs.includes("malformed database schema"))
      expect({ seed, theirs, ours }).toMatchObject({ ours: expect.any(String) });
    if (ours !== undefined) found += 1;
  }
  expect(found).toBeGreaterThan(0);
});

test("a file that is shorter than it says is whole while its log has the rest", async () => {
  await using folder = await tempDir();
  const path = join(folder.path, "edge.sqlite");
  const copy = join(folder.path, "full-disk.sqlite");
  const database = new DatabaseSync(path);
  database.exec(
    "PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0; PRAGMA synchronous=OFF; CREATE TABLE t (a TEXT)",
  );
  for (let row = 0; row < 500; row += 1) database.prepare("INSERT INTO t VALUES (?)").run("x".repeat(200));
  copyFileSync(`${path}-wal`, `${copy}-wal`);
  database.close();
  // A disk that was full when SQLite moved the log into the file: the first page came first, with the number of all.
  copyFileSync(path, copy);
  truncateSync(copy, 4096);
  expect(faultIn(copy)).toBeUndefined();
  expect(quickCheck(copy)).toBe("ok");

  copyFileSync(path, copy);
  truncateSync(copy, 8192);
  expect(faultIn(copy)).toMatch(/^is truncated: 8192 of \d+ bytes$/);
});

test("a log that was half moved into its file is whole, wherever it was cut off", async () => {
  await using folder = await tempDir();
  const path = join(folder.path, "edge.sqlite");
  const copy = join(folder.path, "killed.sqlite");
  const database = new DatabaseSync(path);
  database.exec(
    "PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0; PRAGMA synchronous=OFF; CREATE TABLE t (a TEXT)",
  );
  const insert = database.prepare("INSERT INTO t VALUES (?)");
  for (let row = 0; row < 300; row += 1) insert.run("x".repeat(200));
  database.exec("PRAGMA wal_checkpoint(RESTART)");
  database.exec(
    "UPDATE t SET a = a || 'y' WHERE rowid % 3 = 0; CREATE INDEX i ON t (a); DELETE FROM t WHERE rowid < 20",
  );
  const log = openSync(`${path}-wal`, "r");
  const { pages } = readWal(log);
  expect(pages.size).toBeGreaterThan(20);
  // SQLite moves them in the order of their numbers.
  const moved = [...pages].toSorted(([one], [other]) => one - other);
  for (let cut = 0; cut <= moved.length; cut += 1) {
    copyDatabase(path, copy);
    const file = openSync(copy, "r+");
    for (const [page, offset] of moved.slice(0, cut)) {
      const content = Buffer.alloc(4096);
      readSync(log, content, 0, 4096, offset);
      // The last one, only in part.
      writeSync(file, content, 0, page === moved[cut - 1]?.[0] ? 1000 : 4096, (page - 1) * 4096);
    }
    closeSync(file);
    expect({ cut, fault: faultIn(copy) }).toEqual({ cut, fault: undefined });
    expect({ cut, theirs: quickCheck(copy) }).toEqual({ cut, theirs: "ok" });
  }
  closeSync(log);
  database.close();
});

test.each<[string, Uint8Array, string]>([
  ["nothing", new Uint8Array(), "is empty"],
  ["text", Buffer.from("not a database at all"), "is not a database"],
  ["a header alone", Buffer.from("SQLite format 3\0"), "is not a database"],
])("%s is no database", async (_what, content, fault) => {
  await using folder = await tempDir();
  const path = join(folder.path, "x.sqlite");
  writeFileSync(path, content);
  expect(faultIn(path)).toBe(fault);
});

test("a log of garbage is as none: SQLite does not look at it either", async () => {
  await using folder = await tempDir();
  const path = join(folder.path, "x.sqlite");
  makeDatabase(path, RECIPE, () => {});
  writeFileSync(`${path}-wal`, Buffer.alloc(10_000, 0x5a));
  expect(faultIn(path)).toBeUndefined();
  expect(quickCheck(path)).toBe("ok");
});

test("a file that can't be read is no damaged one", () => {
  expect(() => faultIn("/nonexistent/x.sqlite")).toThrow("ENOENT");
});
