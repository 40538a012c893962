import { expect, test, vi } from "vitest";
import { relayMemory } from "../support/relay-memory.ts";
import { sqlStore } from "../support/sql.ts";

function memory() {
  vi.spyOn(console, "warn").mockReturnValue();
  const { sql } = sqlStore();
  return relayMemory(sql);
}

test("what was put is there in the next life", async () => {
  const disk = memory();
  disk.live().put("epoch", "1");
  await Promise.resolve();
  expect(disk.live().get("epoch")).toBe("1");
  expect(disk.live().get("site")).toBeUndefined();
});

test("a full disk costs one life: the next ones know everything, and write nothing", async () => {
  const disk = memory();
  disk.live().put("site", "lab");
  await Promise.resolve();
  disk.isFull = true;
  disk.live().put("epoch", "1");
  expect(disk.lost).toBe(1);
  const second = disk.live();
  expect([second.get("site"), second.get("epoch")]).toEqual(["lab", "1"]);
  second.put("epoch", "2");
  await second.alarm(5);
  expect(disk.live().get("epoch")).toBe("2");
  expect(disk.lost).toBe(1);
});

test("a write that fails where it is made costs nothing: it is kept, and so are those after it", () => {
  const disk = memory();
  const first = disk.live();
  Object.assign(disk, { isFull: true, throws: true });
  first.put("epoch", "1");
  first.put("site", "lab");
  expect([first.get("epoch"), first.get("site"), disk.lost]).toEqual(["1", "lab", 0]);
  expect(disk.live().get("site")).toBe("lab");
});

test("an alarm that a full disk did not take costs one life too", async () => {
  const disk = memory();
  const first = disk.live();
  disk.isFull = true;
  await first.alarm(5);
  disk.live().put("epoch", "1");
  expect(disk.lost).toBe(1);
});

test("when the disk has room again, all that was only kept is written, and lasts", async () => {
  const disk = memory();
  disk.isFull = true;
  disk.live().put("epoch", "1");
  const second = disk.live();
  second.put("site", "lab");
  disk.isFull = false;
  second.tryAgain();
  await Promise.resolve();
  const third = disk.live();
  await third.alarm(7);
  expect([third.get("epoch"), third.get("site"), disk.alarm]).toEqual(["1", "lab", 7]);
});

test("a disk that is full still is tried after ten minutes, and costs one life more", () => {
  vi.useFakeTimers();
  try {
    const disk = memory();
    disk.isFull = true;
    disk.live().put("epoch", "1");
    vi.advanceTimersByTime(599_000);
    disk.live().put("epoch", "2");
    expect(disk.lost).toBe(1);
    vi.advanceTimersByTime(1_000);
    disk.live().put("epoch", "3");
    expect(disk.lost).toBe(2);
    expect(disk.live().get("epoch")).toBe("3");
  } finally {
    vi.useRealTimers();
  }
});

test("an answer to an earlier write says nothing of a later one", async () => {
  const disk = memory();
  const first = disk.live();
  first.put("epoch", "1");
  disk.isFull = true;
  first.put("epoch", "2");
  await Promise.resolve();
  expect(disk.live().get("epoch")).toBe("2");
});
