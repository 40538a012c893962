/** `urgent`: little to send, such as keystrokes; `free`: a frame that needs no window; `bulk`: the rest. */
export type Priority = "urgent" | "free" | "bulk";

/** A stream that waits. The one with the lower turn came first. */
export type Queued<S> = { stream: S; turn: number };

type LaneQueue<S> = Record<Priority, Queued<S>[]> & { lane: number };

/**
 * The streams that wait for their turn to send, first come, first served. Each lane has queues of its own, so that a lane that
 * takes no frames now costs nothing, however many streams wait for it.
 */
export class SendQueue<S extends { readonly lane: number; readonly over: boolean }> {
  readonly #queues: LaneQueue<S>[] = [];
  /** By stream, the queues in which it waits: with a frame that needs window, and with a free one. */
  readonly #charged = new Map<S, LaneQueue<S>>();
  readonly #free = new Map<S, LaneQueue<S>>();
  #turn = 0;

  /** Streams that wait with a frame that needs window. Ended ones count until `sweep`. */
  get size(): number {
    return this.#charged.size;
  }

  /** Queues a stream for its present lane: at most once with a frame that needs window, and once with a free one. */
  add(stream: S, kind: Priority): void {
    this.#turn += 1;
    this.#join(stream, kind)?.push({ stream, turn: this.#turn });
  }

  /** Puts a stream back at the front of its queue; its kind may have changed. */
  restore(queued: Queued<S>, kind: Priority): void {
    this.#join(queued.stream, kind)?.unshift(queued);
  }

  /** Takes the first stream of a kind whose lane is open; undefined if there is none. */
  take(kind: Priority, isOpen: (lane: number) => boolean): Queued<S> | undefined {
    for (;;) {
      let first: LaneQueue<S> | undefined;
      for (const queue of this.#queues) {
        const turn = queue[kind][0]?.turn ?? Number.POSITIVE_INFINITY;
        if (turn < (first?.[kind][0]?.turn ?? Number.POSITIVE_INFINITY) && isOpen(queue.lane)) first = queue;
      }
      const queued = first?.[kind].shift();
      if (queued === undefined) return undefined;
      const { stream } = queued;
      (kind === "free" ? this.#free : this.#charged).delete(stream);
      if (stream.over) continue;
      if (stream.lane === first?.lane) return queued;
      this.add(stream, kind);
    }
  }

  /** Drops streams that have ended: while nothing can be sent, `take` doesn't. */
  sweep(): void {
    const lives = ({ stream }: Queued<S>): boolean => !stream.over;
    for (const queue of this.#queues)
      for (const kind of ["urgent", "free", "bulk"] as const) queue[kind] = queue[kind].filter(lives);
    for (const waiting of [this.#charged, this.#free])
      for (const stream of waiting.keys()) if (stream.over) waiting.delete(stream);
  }

  /** Returns the queue for a stream to wait in; undefined when it waits there already. */
  #join(stream: S, kind: Priority): Queued<S>[] | undefined {
    const waiting = kind === "free" ? this.#free : this.#charged;
    const queue = this.#queueOf(stream.lane);
    const former = waiting.get(stream);
    if (former === queue) return undefined;
    // The stream has moved to another lane, and its former one may never take a frame again.
    if (former !== undefined) leave(former, stream, kind === "free" ? ["free"] : ["urgent", "bulk"]);
    waiting.set(stream, queue);
    return queue[kind];
  }

  #queueOf(lane: number): LaneQueue<S> {
    const found = this.#queues.find((queue) => queue.lane === lane);
    if (found !== undefined) return found;
    const queue: LaneQueue<S> = { lane, urgent: [], free: [], bulk: [] };
    this.#queues.push(queue);
    return queue;
  }
}

function leave<S>(queue: LaneQueue<S>, stream: S, kinds: readonly Priority[]): void {
  for (const kind of kinds) queue[kind] = queue[kind].filter((place) => place.stream !== stream);
}
