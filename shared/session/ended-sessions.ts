import { RecentSet } from "./recent-set.ts";

/** Sessions remembered, and far ends whose last answer is remembered. */
const MOST = 1_000;
/** Milliseconds between two answers to one far end. */
const ANSWER_MS = 1_000;

type Ended = { id: Uint8Array | undefined; answeredAt: number };

/**
 * Sessions that have ended here, by the channel or slot of their far end. A far end that missed the END goes on sending frames
 * for its session: without an answer it would wait for ever.
 */
export class EndedSessions {
  readonly #byNumber = new Map<number, Ended>();
  readonly #ids = new RecentSet<string>(MOST);

  /** Notes the session that has just ended with a far end. */
  add(number: number, id: Uint8Array): void {
    this.#put(number, { id, answeredAt: Number.NEGATIVE_INFINITY });
    this.#ids.add(id.join());
  }

  /** Whether a session with this id has ended here. */
  knows(id: Uint8Array): boolean {
    return this.#ids.has(id.join());
  }

  /**
   * For a frame of a session that is not there: returns the id to send in END (undefined if none is known), or null when this
   * far end was answered less than a second ago. `now` in monotonic milliseconds.
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
