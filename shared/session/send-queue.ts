/** Somebody types; what the session's window has no say in; bulk. */
export type Priority = "urgent" | "free" | "bulk";

/** One that waits. The lower its turn, the earlier it came. */
export type Queued<S> = { stream: S; turn: number };

type LaneQueue<S> = Record<Priority, Queued<S>[]> & { lane: number };

/**
 * Streams that wait for their turn to send, first come first. They wait by lane: one without room costs no look at each stream
 * that waits for it.
 */
export class SendQueue<S extends { readonly lane: number; readonly over: boolean }> {
  readonly #queues: LaneQueue<S>[] = [];
  /** Those that wait for the window; and those whose next frame is free, whether they wait for it or not; and where. */
  readonly #charged = new Map<S, LaneQueue<S>>();
  readonly #free = new Map<S, LaneQueue<S>>();
  #turn = 0;

  /** How many wait for the window; who has ended since counts until `sweep`. */
  get size(): number {
    return this.#charged.size;
  }

  /** A stream has something to send. It waits once for the window, and once for what is free; where its frames go now. */
  add(stream: S, kind: Priority): void {
    this.#turn += 1;
    this.#join(stream, kind)?.push({ stream, turn: this.#turn });
  }

  /** Gives back what was taken last, or before that; it may have become another kind. */
  restore(queued: Queued<S>, kind: Priority): void {
    this.#join(queued.stream, kind)?.unshift(queued);
  }

  /** Takes the first of a kind whose lane is open. */
  take(kind: Priority, isOpen: (lane: number) => boolean): Queued<S> | undefined {
    for (;;) {
      let first: LaneQueue<S> | undefined;
      for (const line of this.#queues) {
        const turn = line[kind][0]?.turn ?? Number.POSITIVE_INFINITY;
        if (turn < (first?.[kind][0]?.turn ?? Number.POSITIVE_INFINITY) && isOpen(line.lane)) first = line;
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

  /** While nothing can be sent, streams that have ended would wait for ever. */
  sweep(): void {
    const lives = ({ stream }: Queued<S>): boolean => !stream.over;
    for (const line of this.#queues)
      for (const kind of ["urgent", "free", "bulk"] as const) line[kind] = line[kind].filter(lives);
    for (const waiting of [this.#charged, this.#free])
      for (const stream of waiting.keys()) if (stream.over) waiting.delete(stream);
  }

  /** Where it is to wait; undefined when it does already. */
  #join(stream: S, kind: Priority): Queued<S>[] | undefined {
    const waiting = kind === "free" ? this.#free : this.#charged;
    const line = this.#queueOf(stream.lane);
    const former = waiting.get(stream);
    if (former === line) return undefined;
    // It has moved to another lane, and its former one may never have room again.
    if (former !== undefined) leave(former, stream, kind === "free" ? ["free"] : ["urgent", "bulk"]);
    waiting.set(stream, line);
    return line[kind];
  }

  #queueOf(lane: number): LaneQueue<S> {
    const found = this.#queues.find((line) => line.lane === lane);
    if (found !== undefined) return found;
    const line: LaneQueue<S> = { lane, urgent: [], free: [], bulk: [] };
    this.#queues.push(line);
    return line;
  }
}

function leave<S>(line: LaneQueue<S>, stream: S, kinds: readonly Priority[]): void {
  for (const kind of kinds) line[kind] = line[kind].filter((place) => place.stream !== stream);
}
