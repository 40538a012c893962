import { expect, test } from "vitest";
import { DatagramFilter } from "../../edge/relay/lanes/datagram-filter.ts";
import { DATAGRAM_DEADLINE_MS } from "../../shared/wire/limits.ts";
import { Path } from "../../shared/session/path.ts";

const KIB = 1024;

/** A lane on whose way so many bytes are, over a path that once took so long, and carried so much in a millisecond. */
function lane(bytes: number, { roundTrip = 1, rate = 0 } = {}) {
  const path = new Path();
  path.sent(rate * roundTrip, -roundTrip);
  path.mark(-roundTrip);
  path.echoed(0);
  const filter = new DatagramFilter(path);
  path.sent(bytes, 0);
  return { path, filter };
}

test("a lane takes datagrams while 256 KiB are on their way, or what a fast path carries in time, up to 1 MiB", () => {
  for (const [bytes, rate, crowded] of [
    [256 * KIB, 0, false],
    [256 * KIB + 1, 0, true],
    [600 * KIB, 6_200, false],
    [640 * KIB, 6_200, true],
    [1_024 * KIB, 1_000_000, false],
    [1_025 * KIB, 1_000_000, true],
  ] as const)
    expect(lane(bytes, { rate }).filter.isCongested(0)).toBe(crowded);
});

test("while too much is on its way, each flow still has a little, until an echo comes: one that floods loses its own", () => {
  const { path, filter } = lane(300 * KIB);
  const flood = Array.from({ length: 100 }, () => filter.tryAccept("flood", 1_400, 0));
  expect(flood.filter(Boolean)).toHaveLength(2);
  expect(Array.from({ length: 20 }, () => filter.tryAccept("call", 172, 0)).every(Boolean)).toBe(true);
  filter.onEcho();
  expect(filter.tryAccept("flood", 1_400, 0)).toBe(true);
  // But never more than twice as much.
  path.sent(213 * KIB, 0);
  expect(filter.tryAccept("other", 172, 0)).toBe(false);
});

test("flows that nobody has heard of find no room for themselves by being many", () => {
  const { filter } = lane(300 * KIB);
  const taken = Array.from({ length: 3_000 }, (_, flow) => filter.tryAccept(String(flow), 100, 0)).filter(Boolean);
  expect(taken).toHaveLength(1_000);
});

test("an end that reads nothing for longer than the deadline is sent none, however little is on its way", () => {
  const { path, filter } = lane(200, { roundTrip: 30 });
  path.mark(1);
  expect(filter.isCongested(30 + DATAGRAM_DEADLINE_MS)).toBe(false);
  const now = 32 + DATAGRAM_DEADLINE_MS;
  expect([filter.isCongested(now), filter.tryAccept("call", 172, now)]).toEqual([true, false]);
  path.echoed(now);
  expect(filter.isCongested(now)).toBe(false);
});

test("a path that has become longer for good is believed after some seconds: what goes over it is not late for ever", () => {
  const { path, filter } = lane(200, { roundTrip: 30 });
  const crowded: boolean[] = [];
  for (let at = 500; at < 20_000; at += 500) {
    path.sent(172, at);
    path.mark(at);
    crowded.push(filter.isCongested(at + 249));
    path.echoed(at + 250);
  }
  expect([crowded[0], crowded.at(-1)]).toEqual([true, false]);
});
