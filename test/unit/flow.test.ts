import { expect, test } from "vitest";
import { DatagramQueue, Early, Guard, IdleFlows } from "../../shared/flow.ts";
import type { Stream } from "../../shared/stream.ts";

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
  const early = new Early(2);
  expect([1, 2, 3].map((byte) => early.add(Uint8Array.of(byte)))).toEqual([true, true, false]);
  expect(early.take()).toEqual([Uint8Array.of(2), Uint8Array.of(3)]);
  expect(early.take()).toEqual([]);
});

test("an unproven peer is sent three times what it sent; its second word after an answer proves it", () => {
  const guard = new Guard("first");
  guard.heard(100);
  guard.heard(100);
  expect([guard.allows(300), guard.allows(300), guard.allows(1)]).toEqual([true, true, false]);
  guard.heard(1);
  expect(guard.allows(1_000_000)).toBe(true);
});

test("the peers of a known reflector never prove themselves", () => {
  const guard = new Guard("always");
  guard.heard(10);
  expect([guard.allows(30), guard.allows(1)]).toEqual([true, false]);
  guard.heard(10);
  guard.prove();
  expect([guard.allows(30), guard.allows(1)]).toEqual([true, false]);
  expect(new Guard(undefined).allows(1_000_000)).toBe(true);
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
