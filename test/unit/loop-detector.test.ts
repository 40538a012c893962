import { expect, test } from "vitest";
import { LoopDetector } from "../../agent/loop-detector.ts";

test("a visitor who is ourselves for the second time has gone round", () => {
  const loops = new LoopDetector();
  let visitor = "198.51.100.7:40000";
  const passes = [1, 2, 3, 4].map((nth) => {
    const passed = loops.passes("tcp", visitor, "8080/tcp");
    visitor = `10.0.0.2:5000${nth}`;
    loops.add("tcp", visitor, "203.0.113.1:8080", passed);
    return loops.isLoop(passed);
  });
  expect(passes).toEqual([false, false, true, true]);
});

test("two mappings that lead to each other are a loop, too", () => {
  const loops = new LoopDetector();
  loops.add("tcp", "10.0.0.2:50001", "203.0.113.1:8081", 0);
  const there = loops.passes("tcp", "10.0.0.2:50001", "8081/tcp");
  loops.add("tcp", "10.0.0.2:50002", "203.0.113.1:8080", there);
  expect(loops.isLoop(loops.passes("tcp", "10.0.0.2:50002", "8080/tcp"))).toBe(true);
});

test("a visitor whose address is also our end of something else is a stranger", () => {
  const loops = new LoopDetector();
  loops.add("tcp", "127.0.0.1:50001", "127.2.2.101:80", 0);
  expect(loops.passes("tcp", "127.0.0.1:50001", "8080/tcp")).toBe(0);
  expect(loops.passes("udp", "127.0.0.1:50001", "80/udp")).toBe(0);
  expect(loops.passes("tcp", "127.0.0.1:50002", "80/tcp")).toBe(0);
  loops.delete("tcp", "127.0.0.1:50001", "127.2.2.101:80");
  expect(loops.passes("tcp", "127.0.0.1:50001", "80/tcp")).toBe(0);
});

test("by chance an address is the same as one of ours: once is no loop", () => {
  const loops = new LoopDetector();
  loops.add("tcp", "127.0.0.1:50001", "127.2.2.101:80", 0);
  expect(loops.isLoop(loops.passes("tcp", "127.0.0.1:50001", "80/tcp"))).toBe(false);
});
