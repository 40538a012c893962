import { expect, test } from "vitest";
import type { Datagrams } from "../../shared/session/datagrams.ts";
import {
  DatagramQueue,
  EarlyDatagrams,
  AmplificationGuard,
  IdleFlows,
  noDrops,
  type QueuedFlow,
} from "../../shared/session/flow.ts";
import type { Stream } from "../../shared/session/stream.ts";

/** A lane whose socket and clock are in our hands. */
function lane() {
  const world = { queued: 0, now: 0, sent: [] as { text: string; age: number }[] };
  const stream = {
    datagram: (bytes: Uint8Array, age: number) => world.sent.push({ text: new TextDecoder().decode(bytes), age }),
  } as unknown as Stream;
  const queue = new DatagramQueue(
    () => world.queued,
    () => world.now,
  );
  const send = (text: string): void => queue.send(stream, new TextEncoder().encode(text));
  return { world, queue, send };
}

test("a free lane takes a datagram at once", () => {
  const { world, send } = lane();
  send("a");
  expect(world.sent).toEqual([{ text: "a", age: 0 }]);
});

test("behind a busy socket datagrams wait, keep their order, and say how long they waited", () => {
  const { world, queue, send } = lane();
  world.queued = 20_000;
  send("a");
  world.now = 30;
  send("b");
  world.queued = 0;
  world.now = 50;
  queue.flush();
  send("c");
  expect(world.sent).toEqual([
    { text: "a", age: 50_000 },
    { text: "b", age: 20_000 },
    { text: "c", age: 0 },
  ]);
});

test("what has waited for more than 100 ms is dropped and counted", () => {
  const { world, queue, send } = lane();
  world.queued = 20_000;
  send("old");
  world.now = 60;
  send("fresh");
  world.now = 101;
  world.queued = 0;
  queue.flush();
  expect(world.sent.map(({ text }) => text)).toEqual(["fresh"]);
  expect(queue.drops).toMatchObject({ late: 1, queue: 0 });
});

test("a full queue drops the oldest", () => {
  const { world, queue, send } = lane();
  world.queued = 20_000;
  for (let index = 0; index < 5_000; index += 1) send(String(index));
  expect(queue.length).toBe(1_024);
  expect(queue.drops.queue).toBe(5_000 - 1_024);
  world.queued = 0;
  queue.flush();
  expect(world.sent.map(({ text }) => text)).toEqual(
    Array.from({ length: 1_024 }, (_, index) => String(5_000 - 1_024 + index)),
  );
  const before = queue.drops.queue;
  world.queued = 20_000;
  for (let index = 0; index < 20; index += 1) send("x".repeat(65_507));
  expect(queue.length).toBe(16);
  expect(queue.drops.queue).toBe(before + 4);
});

test.each([
  { of: "small ones", size: 10, every: 1 },
  { of: "the largest", size: 65_507, every: 20 },
])(
  "a flow that floods with $of loses its own datagrams; another's wait for no more than one each",
  ({ size, every }) => {
    const { world, queue } = lane();
    const order: string[] = [];
    const flow = (name: string): Stream =>
      ({ datagram: (bytes: Uint8Array) => order.push(`${name} ${bytes[0]}`) }) as unknown as Stream;
    const [flood, voice] = [flow("flood"), flow("voice")];
    world.queued = 20_000;
    const all = 20_000 / every;
    for (let n = 0; n < all; n += 1) {
      world.now = (n / all) * 20;
      queue.send(flood, new Uint8Array(size));
      if (n % (all / 20) === 0) queue.send(voice, Uint8Array.of(n / (all / 20)));
    }
    world.queued = 0;
    queue.flush();
    const spoken = Array.from({ length: 20 }, (_, n) => `voice ${n}`);
    expect(order.filter((each) => each.startsWith("voice"))).toEqual(spoken);
    expect(order.slice(0, 20).filter((each) => each.startsWith("voice")).length).toBeGreaterThanOrEqual(9);
    expect(queue.drops.queue).toBe(all + 20 - order.length);
    expect(queue.length).toBe(0);
  },
);

test("the few that come before the target is there are the newest", () => {
  const early = new EarlyDatagrams(2);
  expect([1, 2, 3].map((byte) => early.add(Uint8Array.of(byte)))).toEqual([true, true, false]);
  expect(early.take()).toEqual([Uint8Array.of(2), Uint8Array.of(3)]);
  expect(early.take()).toEqual([]);
});

test("an unproven peer is sent three times what it sent; its second word after an answer proves it", () => {
  const guard = new AmplificationGuard("first");
  guard.received(100);
  guard.received(100);
  expect([guard.allows(300), guard.allows(300), guard.allows(1)]).toEqual([true, true, false]);
  guard.received(1);
  expect(guard.allows(1_000_000)).toBe(true);
});

test("the peers of a known reflector never prove themselves", () => {
  const guard = new AmplificationGuard("always");
  guard.received(10);
  expect([guard.allows(30), guard.allows(1)]).toEqual([true, false]);
  guard.received(10);
  guard.prove();
  expect([guard.allows(30), guard.allows(1)]).toEqual([true, false]);
  expect(new AmplificationGuard(undefined).allows(1_000_000)).toBe(true);
});

test("flows are over when nothing passed for as long as each may be quiet", () => {
  const flows = new IdleFlows<{ touched: number; idleMs: number }>();
  const [short, long] = [
    { touched: 0, idleMs: 10 },
    { touched: 0, idleMs: 100 },
  ];
  flows.add(short);
  flows.add(long);
  expect([...flows.overdue(10)]).toEqual([]);
  expect([...flows.overdue(11)]).toEqual([short]);
  short.touched = 5;
  expect([...flows.overdue(15)]).toEqual([]);
  flows.delete(short);
  expect(flows.size).toBe(1);
});

/** A session whose path is in our hands. */
function session() {
  const path = { open: true, spare: false, sent: [] as string[] };
  const says = { maySend: () => path.open, mayOvertake: () => path.spare, isLate: (age: number) => age > 50 };
  const datagrams = says as unknown as Datagrams;
  const flow = (name: string): QueuedFlow => ({ datagrams, datagram: () => path.sent.push(name) });
  return { path, flow };
}

test("a session whose path takes nothing holds up no other; when it does again, what is too late by then is dropped", () => {
  let now = 0;
  const queue = new DatagramQueue(
    () => 0,
    () => now,
  );
  const [stopped, other] = [session(), session()];
  stopped.path.open = false;
  const [call, neighbour] = [stopped.flow("call"), other.flow("neighbour")];
  for (; now < 100; now += 10) {
    queue.send(call, Uint8Array.of(1));
    queue.send(neighbour, Uint8Array.of(1));
  }
  expect([stopped.path.sent.length, other.path.sent.length]).toEqual([0, 10]);
  stopped.path.open = true;
  queue.flush();
  expect([stopped.path.sent.length, queue.drops.late, queue.length]).toEqual([5, 5, 0]);
});

test("behind a flow that waits, one that has nothing waiting goes at once where there is room for little", () => {
  const queue = new DatagramQueue(
    () => 0,
    () => 0,
  );
  const { path: state, flow } = session();
  const [flood, call] = [flow("flood"), flow("call")];
  state.open = false;
  for (let n = 0; n < 10; n += 1) queue.send(flood, new Uint8Array(1_400));
  state.spare = true;
  queue.send(call, new Uint8Array(172));
  queue.send(flood, new Uint8Array(1_400));
  expect(state.sent).toEqual(["call"]);
  state.spare = false;
  queue.send(call, new Uint8Array(172));
  queue.send(call, new Uint8Array(172));
  state.open = true;
  queue.flush();
  // The flood has begun to wait long before, and has had its turn.
  expect(state.sent.slice(0, 4)).toEqual(["call", "flood", "call", "call"]);
  expect(state.sent.length).toBe(14);
});

test("many small datagrams crowd others out as large ones do: the flow that says them loses its own", () => {
  const queue = new DatagramQueue(
    () => 0,
    () => 0,
  );
  const { path: state, flow } = session();
  state.open = false;
  const [film, chatter] = [flow("film"), flow("chatter")];
  for (let n = 0; n < 20; n += 1) queue.send(film, new Uint8Array(1_400));
  for (let n = 0; n < 2_000; n += 1) queue.send(chatter, Uint8Array.of(1));
  state.open = true;
  queue.flush();
  expect(state.sent.filter((name) => name === "film")).toHaveLength(20);
  expect([state.sent.length, queue.drops.queue]).toEqual([1_024, 996]);
});

test("what a flow that is over by then has waiting is counted as dropped", () => {
  const queue = new DatagramQueue(
    () => 0,
    () => 0,
  );
  const { path: state, flow } = session();
  state.open = false;
  queue.send({ ...flow("call"), over: true }, Uint8Array.of(1));
  state.open = true;
  queue.flush();
  expect([state.sent, queue.drops.refused]).toEqual([[], 1]);
});

test("what comes before there is a socket is dropped when that takes too long, and counted", () => {
  const drops = noDrops();
  const early = new EarlyDatagrams(2, drops);
  for (const [byte, at] of [
    [1, 0],
    [2, 50],
    [3, 120],
  ] as const)
    early.add(Uint8Array.of(byte), at);
  expect(early.take(160)).toEqual([Uint8Array.of(3)]);
  expect(drops).toEqual({ ...noDrops(), queue: 1, late: 1 });
});
