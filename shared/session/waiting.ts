/** Somebody types; what the session's window has no say in; bulk. */
export type Kind = "urgent" | "free" | "bulk";

/** One that waits. The lower its turn, the earlier it came. */
export type Place<S> = { stream: S; turn: number };

type Line<S> = Record<Kind, Place<S>[]> & { lane: number };

/**
 * Streams that wait for their turn to send, first come first. They wait by lane: one without room costs no look at each stream
 * that waits for it.
 */
export class Waiting<S extends { readonly lane: number; readonly over: boolean }> {
  readonly #lines: Line<S>[] = [];
  /** Those that wait for the window; and those whose next frame is free, whether they wait for it or not; and where. */
  readonly #charged = new Map<S, Line<S>>();
  readonly #free = new Map<S, Line<S>>();
  #turn = 0;

  /** How many wait for the window; who has ended since counts until `sweep`. */
  get size(): number {
    return this.#charged.size;
  }

  /** A stream has something to send. It waits once for the window, and once for what is free; where its frames go now. */
  add(stream: S, kind: Kind): void {
    this.#turn += 1;
    this.#enter(stream, kind)?.push({ stream, turn: this.#turn });
  }

  /** Gives back what was taken last, or before that; it may have become another kind. */
  restore(place: Place<S>, kind: Kind): void {
    this.#enter(place.stream, kind)?.unshift(place);
  }

  /** Takes the first of a kind whose lane is open. */
  take(kind: Kind, isOpen: (lane: number) => boolean): Place<S> | undefined {
    for (;;) {
      let first: Line<S> | undefined;
      for (const line of this.#lines) {
        const turn = line[kind][0]?.turn ?? Number.POSITIVE_INFINITY;
        if (turn < (first?.[kind][0]?.turn ?? Number.POSITIVE_INFINITY) && isOpen(line.lane)) first = line;
      }
      const place = first?.[kind].shift();
      if (place === undefined) return undefined;
      const { stream } = place;
      (kind === "free" ? this.#free : this.#charged).delete(stream);
      if (stream.over) continue;
      if (stream.lane === first?.lane) return place;
      this.add(stream, kind);
    }
  }

  /** While nothing can be sent, streams that have ended would wait for ever. */
  sweep(): void {
    const lives = ({ stream }: Place<S>): boolean => !stream.over;
    for (const line of this.#lines)
      for (const kind of ["urgent", "free", "bulk"] as const) line[kind] = line[kind].filter(lives);
    for (const waiting of [this.#charged, this.#free])
      for (const stream of waiting.keys()) if (stream.over) waiting.delete(stream);
  }

  /** Where it is to wait; undefined when it does already. */
  #enter(stream: S, kind: Kind): Place<S>[] | undefined {
    const waiting = kind === "free" ? this.#free : this.#charged;
    const line = this.#line(stream.lane);
    const former = waiting.get(stream);
    if (former === line) return undefined;
    // It has moved to another lane, and its former one may never have room again.
    if (former !== undefined) leave(former, stream, kind === "free" ? ["free"] : ["urgent", "bulk"]);
    waiting.set(stream, line);
    return line[kind];
  }

  #line(lane: number): Line<S> {
    const found = this.#lines.find((line) => line.lane === lane);
    if (found !== undefined) return found;
    const line: Line<S> = { lane, urgent: [], free: [], bulk: [] };
    this.#lines.push(line);
    return line;
  }
}

function leave<S>(line: Line<S>, stream: S, kinds: readonly Kind[]): void {
  for (const kind of kinds) line[kind] = line[kind].filter((place) => place.stream !== stream);
}
