import { RecentSet } from "./recent-set.ts";

/** Sessions remembered, and far ends answered, at once. */
const MOST = 1_000;
/** Milliseconds between two answers to one far end. */
const ANSWER_MS = 1_000;

type Ended = { id: Uint8Array | undefined; answeredAt: number };

/**
 * Sessions that are over here, by the number of their far end. A far end that was not told, or whose END was lost, goes on
 * sending frames for them: it is answered, or it would wait for ever.
 */
export class EndedSessions {
  readonly #byNumber = new Map<number, Ended>();
  readonly #ids = new RecentSet<string>(MOST);

  /** Notes the session with that far end that was over last. */
  add(number: number, id: Uint8Array): void {
    this.#put(number, { id, answeredAt: Number.NEGATIVE_INFINITY });
    this.#ids.add(id.join());
  }

  /** Whether a session of that id was here. */
  knows(id: Uint8Array): boolean {
    return this.#ids.has(id.join());
  }

  /**
   * A frame came for a session that is not there: answers the id to name in END (undefined if none is known), or null when
   * that far end was answered a moment ago. `now` in monotonic milliseconds.
   */
  answer(number: number, now: number): { id: Uint8Array | undefined } | null {
    const ended = this.#byNumber.get(number) ?? { id: undefined, answeredAt: Number.NEGATIVE_INFINITY };
    if (now - ended.answeredAt < ANSWER_MS) return null;
    this.#put(number, { ...ended, answeredAt: now });
    return { id: ended.id };
  }

  #put(number: number, gone: Ended): void {
    this.#byNumber.delete(number);
    this.#byNumber.set(number, gone);
    const [oldest] = this.#byNumber.keys();
    if (this.#byNumber.size > MOST && oldest !== undefined) this.#byNumber.delete(oldest);
  }
}
