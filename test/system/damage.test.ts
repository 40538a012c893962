import { globSync } from "node:fs";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import type { MappingView } from "../../shared/rule/api.ts";
import { alter, randomOf } from "../support/database.ts";
import { testEdge, type TestEdge } from "../support/edge.ts";
import { testAgent } from "../support/lan.ts";
import { execute } from "../support/run.ts";

const PAGE = 4096;
const random = randomOf(1);

function garbage(bytes: Buffer, from: number, length: number): void {
  for (let at = from; at < Math.min(bytes.length, from + length); at += 1) bytes[at] = random(256);
}

/** What may happen to a database, to which of them, and what is said of it. */
const DAMAGES: [
  what: string,
  object: "sallyport-registry" | "sallyport-relay",
  change: (bytes: Buffer) => Uint8Array | void,
  said: RegExp,
][] = [
  ["a registry of garbage", "sallyport-registry", (bytes) => garbage(bytes, 0, bytes.length), /is not a database/],
  ["a registry that lost its end", "sallyport-registry", (bytes) => bytes.subarray(0, 9000), /is truncated/],
  ["an empty registry", "sallyport-registry", (bytes) => bytes.subarray(0, 0), /is empty/],
  [
    "a page of zeroes in a registry",
    "sallyport-registry",
    (bytes) => void bytes.fill(0, 2 * PAGE, 3 * PAGE),
    /page 3 of/,
  ],
  ["a page of garbage in a registry", "sallyport-registry", (bytes) => garbage(bytes, 3 * PAGE, PAGE), /page 4 of/],
  ["random bytes in a registry", "sallyport-registry", (bytes) => garbage(bytes, 4 * PAGE, 200), /page 5 of/],
  [
    "garbage in every page of a registry",
    "sallyport-registry",
    (bytes) => {
      for (let page = PAGE; page < bytes.length; page += PAGE) garbage(bytes, page, 64);
    },
    /page \d+ of|leads to page/,
  ],
  [
    "a relay of garbage",
    "sallyport-relay",
    (bytes) => garbage(bytes, 0, bytes.length),
    /the relay gets its rules from the registry/,
  ],
  ["a page of zeroes in a relay", "sallyport-relay", (bytes) => void bytes.fill(0, PAGE, 2 * PAGE), /page 2 of/],
];

/** Changes the databases of one kind of object as they lie on the disk, the log brought in. Answers their paths. */
async function damage(edge: TestEdge, object: string, change: (bytes: Buffer) => Uint8Array | void): Promise<string[]> {
  const folder = join(edge.data, "storage", object);
  const files = globSync(`${folder}/*.sqlite`).filter((file) => !file.endsWith("metadata.sqlite"));
  for (const file of files) {
    using database = new DatabaseSync(file);
    database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  }
  for (const file of files) alter(file, change);
  for (const file of await readdir(folder)) if (/-(?:wal|shm)$/.test(file)) await rm(join(folder, file));
  return files;
}

test.for(DAMAGES)(
  "%s is named at the start with the newest usable backup, and nothing is written to it",
  async ([, object, change, said]) => {
    await using edge = await testEdge();
    await using _agent = await testAgent(edge);
    const [older, newer, gone] = ["older", "newer", "gone"].map((name) => join(edge.data, "..", name));
    for (const folder of [older, newer, gone]) await edge.ok("backup", folder ?? "", "--data", edge.data);
    await rename(gone ?? "", `${gone}.moved`);
    await edge.stop();
    const files = await damage(edge, object, change);
    const sums = async () =>
      (await execute("sh", ["-c", `cat ${join(edge.data, "storage", object)}/* | sha256sum`])).stdout;
    const before = await sums();
    for (const words of [["--check"], ["--listen", `${edge.host}:8787`]]) {
      const ended = await edge.cli(["serve", "--data", edge.data, ...words]);
      expect(ended).toMatchObject({ code: 3, stdout: "", stderr: expect.stringContaining("error[data-damaged]") });
      for (const file of files) expect(ended.stderr).toContain(file);
      expect(ended.stderr).toMatch(said);
      expect(ended.stderr).toContain(`sallyport restore ${newer} --data NEW-FOLDER`);
    }
    expect(await sums()).toBe(before);
  },
);

test("damage that comes while it runs is named in the log, and every command says where to look", async () => {
  await using edge = await testEdge();
  await edge.ok("site", "add", "lab");
  await edge.stop();
  await damage(edge, "sallyport-registry", () => {});
  await edge.start();
  for (const file of globSync(`${edge.data}/storage/sallyport-registry/*.sqlite`))
    if (!file.endsWith("metadata.sqlite")) alter(file, (bytes) => garbage(bytes, PAGE, bytes.length));
  // What workerd remembers of it goes with it.
  process.kill(edge.workerd, "SIGKILL");
  await edge.serve.until(/"msg":"workerd is back"/);
  const ended = await edge.cli(["site", "ls"]);
  expect(ended).toMatchObject({ code: 3, stderr: expect.stringContaining("error[storage-failed]") });
  expect(ended.stderr).toContain("sallyport serve --check --data DIR");
  // The log has the file.
  await edge.serve.until(
    /"level":"error","msg":"[^"]*sallyport-registry\/\w+\.sqlite [^"]*","code":"data-damaged","fix":"/,
  );
});

test("a backup that is damaged itself is not proposed, and not restored", async () => {
  await using edge = await testEdge();
  const [older, newer] = ["older", "newer"].map((name) => join(edge.data, "..", name));
  for (const folder of [older, newer]) await edge.ok("backup", folder ?? "", "--data", edge.data);
  await edge.stop();
  for (const file of globSync(`${newer}/storage/sallyport-registry/*.sqlite*`))
    alter(file, (bytes) => void bytes.fill(7));
  await damage(edge, "sallyport-registry", (bytes) => void bytes.fill(0, PAGE));
  const ended = await edge.cli(["serve", "--data", edge.data]);
  expect(ended.stderr).toContain(`sallyport restore ${older} --data NEW-FOLDER`);
  const restored = await edge.cli(["restore", newer ?? "", "--data", join(edge.data, "../new")]);
  expect(restored).toMatchObject({ code: 3, stderr: expect.stringContaining("error[data-damaged]") });
  expect(restored.stderr).toContain(newer);
  expect(await readdir(join(edge.data, ".."))).not.toContain("new");
});

test("what is damaged is not backed up", async () => {
  await using edge = await testEdge();
  await edge.stop();
  const [file = ""] = await damage(edge, "sallyport-registry", (bytes) => void bytes.fill(0, PAGE, 2 * PAGE));
  const target = join(edge.data, "../backup");
  const ended = await edge.cli(["backup", target, "--data", edge.data]);
  expect(ended).toMatchObject({ code: 3, stderr: expect.stringContaining("error[data-damaged]") });
  expect(ended.stderr).toContain(file);
  expect((await readdir(join(edge.data, ".."))).filter((name) => name.startsWith("backup"))).toEqual([]);
});

test("a database that was being made when the machine stopped is no loss", async () => {
  await using edge = await testEdge();
  await edge.stop();
  // No relay is there yet.
  await damage(edge, "sallyport-registry", (bytes) => bytes.subarray(0, 0));
  expect(await edge.cli(["serve", "--check", "--data", edge.data])).toMatchObject({ code: 0 });
});

test("an edge that runs can be checked, and goes on", async () => {
  await using edge = await testEdge();
  await edge.ok("site", "add", "lab");
  const check = () => edge.cli(["serve", "--check", "--data", edge.data]);
  expect(await check()).toMatchObject({ code: 0, stdout: expect.stringContaining("an edge is using it") });
  expect((await check()).stdout).toContain("no usable backup is recorded here");
  const target = join(edge.data, "../backup");
  await edge.ok("backup", target, "--data", edge.data);
  expect((await check()).stdout).toContain(`newest usable backup: ${target}, made `);
  expect(await edge.json<MappingView[]>("map", "ls")).toEqual([]);
  await mkdir(join(edge.data, "../other"));
  expect(await edge.cli(["serve", "--check", "--data", join(edge.data, "../other")])).toMatchObject({
    code: 3,
    stderr: expect.stringContaining("error[no-data]"),
  });
});
