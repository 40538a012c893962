import { expect, test } from "vitest";
import { OwnEnds } from "../../agent/loop-detector.ts";

test("a visitor who is ourselves for the second time has gone round", () => {
  const ends = new OwnEnds();
  let visitor = "198.51.100.7:40000";
  const turns = [1, 2, 3, 4].map((nth) => {
    const taken = ends.turns("tcp", visitor, "8080/tcp");
    visitor = `10.0.0.2:5000${nth}`;
    ends.add("tcp", visitor, "203.0.113.1:8080", taken);
    return ends.isLoop(taken);
  });
  expect(turns).toEqual([false, false, true, true]);
});

test("two mappings that lead to each other are a loop, too", () => {
  const ends = new OwnEnds();
  ends.add("tcp", "10.0.0.2:50001", "203.0.113.1:8081", 0);
  const there = ends.turns("tcp", "10.0.0.2:50001", "8081/tcp");
  ends.add("tcp", "10.0.0.2:50002", "203.0.113.1:8080", there);
  expect(ends.isLoop(ends.turns("tcp", "10.0.0.2:50002", "8080/tcp"))).toBe(true);
});

test("a visitor whose address is also our end of something else is a stranger", () => {
  const ends = new OwnEnds();
  ends.add("tcp", "127.0.0.1:50001", "127.2.2.101:80", 0);
  expect(ends.turns("tcp", "127.0.0.1:50001", "8080/tcp")).toBe(0);
  expect(ends.turns("udp", "127.0.0.1:50001", "80/udp")).toBe(0);
  expect(ends.turns("tcp", "127.0.0.1:50002", "80/tcp")).toBe(0);
  ends.delete("tcp", "127.0.0.1:50001", "127.2.2.101:80");
  expect(ends.turns("tcp", "127.0.0.1:50001", "80/tcp")).toBe(0);
});

test("by chance an address is the same as one of ours: once is no loop", () => {
  const ends = new OwnEnds();
  ends.add("tcp", "127.0.0.1:50001", "127.2.2.101:80", 0);
  expect(ends.isLoop(ends.turns("tcp", "127.0.0.1:50001", "80/tcp"))).toBe(false);
});
