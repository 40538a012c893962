/** A path between two ends of a session, on a clock of its own: so many bytes a millisecond, one after the other, and what is too much waits on it. */
import { Datagrams, decodeWaited, encodeWaited } from "../../shared/session/datagrams.ts";
import { DatagramQueue, type Drops } from "../../shared/session/flow.ts";
import { DATAGRAM_DEADLINE_MS } from "../../shared/wire/limits.ts";
import { FLAG_ACK } from "../../shared/wire/frame.ts";

/** Sends a datagram of so many bytes every so often. */
export type Talker = { bytes: number; everyMs: number };

export type PathOptions = {
  /** Bytes a millisecond that it carries, at a time in milliseconds. */
  rate: (now: number) => number;
  /** Milliseconds from end to end, at a time in milliseconds. */
  oneWay: (now: number) => number;
  /** When nothing gets through, in milliseconds: what was sent waits. */
  dark?: readonly (readonly [from: number, to: number])[];
  /** Echoes that are lost, by their number. */
  lost?: (echo: number) => boolean;
  /** False for a far end that reads no times. */
  timed?: boolean;
};

export type Carried = {
  sent: number;
  /** Milliseconds that each took which came in time: from when it was to be sent to when it was delivered. */
  took: number[];
  /** Dropped at the far end, on arrival. */
  late: number;
};

/** What becomes of what talkers say in so many milliseconds, by their names. `most`: bytes on their way at once. */
export function carry(
  talkers: Readonly<Record<string, Talker>>,
  ms: number,
  options: PathOptions,
): { of: Record<string, Carried>; drops: Drops; most: number } {
  const { rate, oneWay, dark = [], lost = () => false, timed = true } = options;
  const world = new World();
  const [near, far] = [new Datagrams(() => true), new Datagrams(() => true)];
  near.timed = timed;
  const queue = new DatagramQueue(
    () => 0,
    () => world.now,
  );
  const lightAt = (at: number): number => dark.find(([from, to]) => from <= at && at < to)?.[1] ?? at;
  let [busyUntil, arrivedAt, onWay, most, echoes] = [0, 0, 0, 0, 0];
  const echo = (name: number, waited: number): void => {
    echoes += 1;
    if (lost(echoes)) return;
    world.at(lightAt(world.now) + oneWay(world.now), () => {
      near.echoed(name, decodeWaited(encodeWaited(waited)), world.now);
      queue.flush();
    });
  };
  const begin = ({ bytes, everyMs }: Talker): Carried => {
    const carried: Carried = { sent: 0, took: [], late: 0 };
    const flow = {
      datagrams: near,
      datagram: (datagram: Uint8Array, age: number): void => {
        const { offset, flags } = near.sent(bytes, age / 1000, world.now);
        const born = new DataView(datagram.buffer).getFloat64(0);
        busyUntil = lightAt(Math.max(busyUntil, world.now)) + bytes / rate(world.now);
        arrivedAt = Math.max(arrivedAt, lightAt(busyUntil) + oneWay(world.now));
        onWay += bytes;
        most = Math.max(most, onWay);
        world.at(arrivedAt, () => {
          onWay -= bytes;
          // The far end's clock is another one.
          const arrived = far.arrived(offset, world.now + 86_400_000);
          if ((flags & FLAG_ACK) !== 0) echo(arrived.name, arrived.waited);
          if (arrived.age > DATAGRAM_DEADLINE_MS) carried.late += 1;
          else carried.took.push(world.now - born);
        });
      },
    };
    const speak = (): void => {
      carried.sent += 1;
      const datagram = new Uint8Array(bytes);
      new DataView(datagram.buffer).setFloat64(0, world.now);
      queue.send(flow, datagram);
      if (world.now + everyMs < ms) world.at(world.now + everyMs, speak);
    };
    world.at(0, speak);
    return carried;
  };
  const of = Object.fromEntries(Object.entries(talkers).map(([name, talker]) => [name, begin(talker)]));
  world.run();
  queue.flush();
  return { of, drops: queue.drops, most };
}

/** What happens when: a heap of it. */
class World {
  now = 0;
  #count = 0;
  readonly #heap: { at: number; order: number; run: () => void }[] = [];

  at(at: number, run: () => void): void {
    const heap = this.#heap;
    this.#count += 1;
    heap.push({ at, order: this.#count, run });
    for (let here = heap.length - 1; here > 0;) {
      const above = (here - 1) >> 1;
      if (this.#isBefore(above, here)) return;
      this.#swap(above, here);
      here = above;
    }
  }

  run(): void {
    for (let next = this.#first(); next !== undefined; next = this.#first()) {
      this.now = Math.max(this.now, next.at);
      next.run();
    }
  }

  #first(): { at: number; run: () => void } | undefined {
    const heap = this.#heap;
    this.#swap(0, heap.length - 1);
    const first = heap.pop();
    for (let here = 0; ;) {
      const [left, right] = [2 * here + 1, 2 * here + 2];
      const below = right < heap.length && this.#isBefore(right, left) ? right : left;
      if (below >= heap.length || this.#isBefore(here, below)) return first;
      this.#swap(here, below);
      here = below;
    }
  }

  #isBefore(a: number, b: number): boolean {
    const [one, other] = [this.#heap[a], this.#heap[b]];
    if (one === undefined || other === undefined) return true;
    return one.at < other.at || (one.at === other.at && one.order < other.order);
  }

  #swap(a: number, b: number): void {
    const [one, other] = [this.#heap[a], this.#heap[b]];
    if (one === undefined || other === undefined) return;
    this.#heap[a] = other;
    this.#heap[b] = one;
  }
}
