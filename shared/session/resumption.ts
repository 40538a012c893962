import { Bucket } from "../bucket.ts";
import { SessionError, type Failure } from "../wire/errors.ts";
import { encodeFrame, FLAG_MORE, TYPE, type Frame, type Header } from "../wire/frame.ts";
import { MAX_STREAMS, RESUME_BURST, RESUME_MS, RESUMES_PER_SECOND } from "../wire/limits.ts";
import {
  ALL_LANES,
  decodeResumed,
  encodeResume,
  encodeResumed,
  type Secret,
  type StreamRecord,
} from "../wire/resume.ts";
import type { Stream } from "./stream.ts";
import type { StreamTable } from "./stream-table.ts";

// Resuming a session after it has lost its path (docs/protocol.md section 6).

export type ResumptionInit = {
  role: "caller" | "agent";
  secret: Secret | undefined;
  graceMs: () => number;
  table: StreamTable;
  now: () => number;
  send: (frame: Uint8Array) => void;
  to: () => { channel: number; slot: number };
  /** Sends a control frame over the path. */
  control: (header: Partial<Header> & { type: number }, payload?: Uint8Array) => void;
  /** Sends OPEN or DIAL of a stream that was never answered again. */
  reopen: (stream: Stream) => void;
};

type Control = { header: Partial<Header> & { type: number }; payload: Uint8Array | undefined };

/**
 * Control frames that are held until the session has a path again. Limits and consumed offsets are in the records; the other
 * types can be lost.
 */
const HELD: ReadonlySet<number> = new Set([TYPE.ACCEPT, TYPE.REJECT, TYPE.RESET]);

const LOST: Failure = { code: "lost", reason: "it ended while the connection was lost" };

export class Resumption {
  readonly #init: ResumptionInit;
  /** The path: `away` after a loss, `asking` between RESUME and RESUMED, `rejoining` while streams are resumed one by one. */
  #path: "up" | "away" | "asking" | "rejoining" = "up";
  #awaySince = 0;
  #askedAt = 0;
  /** Records of a RESUMED whose last page has not come yet. */
  #pages: StreamRecord[] = [];
  #held: Control[] = [];
  /** Streams for which no frame of the agent had come when the last RESUME was written. */
  #unknown = new WeakSet<Stream>();
  readonly #answers = new Bucket(RESUMES_PER_SECOND, RESUME_BURST);

  constructor(init: ResumptionInit) {
    this.#init = init;
  }

  /** The last epoch used or accepted. */
  get epoch(): number {
    return this.#init.secret?.epoch ?? 0;
  }

  /** Whether control frames may be sent. */
  get up(): boolean {
    return this.#path === "up" || this.#path === "rejoining";
  }

  /** Whether DATA and FIN may be sent. Not while rejoining: they would overtake an OPEN that is sent again. */
  get mayDataFlow(): boolean {
    return this.#path === "up";
  }

  /** Notes that the path is lost. Returns false if the session can't outlive it. */
  suspend(): boolean {
    if (this.#path === "up") this.#awaySince = this.#init.now();
    this.#path = "away";
    return this.#init.secret !== undefined && this.#init.graceMs() > 0;
  }

  /** Takes a control frame that can't be sent now: holds it if the records don't replace it, else drops it. */
  holdBack(control: Control): void {
    if (HELD.has(control.header.type)) this.#held.push(control);
  }

  /** Sends RESUME to the agent. Callers only. */
  ask(): void {
    const { secret, table, now } = this.#init;
    if (secret === undefined) return;
    if (this.#path === "up") this.#awaySince = now();
    this.#path = "asking";
    this.#askedAt = now();
    this.#pages = [];
    const proof = secret.prove();
    this.#unknown = new WeakSet([...table.live.values()].filter(({ isKnown }) => !isKnown));
    const records = [...table.live.values()].map((stream) => table.recordOf(stream));
    this.#sendPages(TYPE.RESUME, secret.epoch, encodeResume({ id: secret.id, proof, lanes: ALL_LANES, records }));
  }

  /**
   * Answers a RESUME whose pages are all there. Returns false when its proof is wrong, or when there are too many. Agents
   * only.
   */
  answer(epoch: number, proof: Uint8Array, records: readonly StreamRecord[]): boolean {
    const { secret, table, now } = this.#init;
    if (!this.#answers.take(now()) || secret?.accept(epoch, proof) !== true) return false;
    const mine: StreamRecord[] = [];
    for (const record of records) {
      const stream = table.live.get(record.stream);
      if (stream !== undefined) mine.push(table.recordOf(stream));
      else if (table.wasReset(record.stream)) mine.push({ ...record, reset: true });
    }
    this.#sendPages(TYPE.RESUMED, epoch, encodeResumed({ lanes: ALL_LANES, records: mine }));
    this.#reconcile(records);
    return true;
  }

  /**
   * Takes a page of RESUMED; one of an older epoch is ignored. Throws SessionError(protocol) on too many streams. Callers
   * only.
   */
  answered(frame: Frame): void {
    if (this.#path !== "asking" || frame.offset !== this.#init.secret?.epoch) return;
    this.#pages.push(...decodeResumed(frame.payload).records);
    if (this.#pages.length > MAX_STREAMS)
      throw new SessionError("protocol", "RESUMED with more streams than a session may have");
    if ((frame.flags & FLAG_MORE) === 0) this.#reconcile(this.#pages);
  }

  /** Opens every stream again: the agent never had this session, and has it now. Callers only. */
  reopenAll(): void {
    this.#reconcile([]);
  }

  /** Sends RESUME again when no answer has come. Returns false when the grace period is over. */
  tick(now: number): boolean {
    if (this.#path === "up") return true;
    if (now - this.#awaySince > this.#init.graceMs()) return false;
    if (this.#path === "asking" && now - this.#askedAt > RESUME_MS) this.ask();
    return true;
  }

  /** Brings the streams in line with the far end's records: those that both ends know go on, those that only one knows end. */
  #reconcile(records: readonly StreamRecord[]): void {
    const { table, control } = this.#init;
    const listed = new Map(records.map((record) => [record.stream, record]));
    const held = this.#held;
    this.#path = "rejoining";
    this.#held = [];
    this.#pages = [];
    for (const stream of [...table.live.values()]) {
      const record = listed.get(stream.id);
      if (record === undefined) this.#resumeUnlisted(stream);
      else if (record.refused) stream.reset("cut", "the rule behind this stream is gone");
      else if (record.reset) table.forget(stream, LOST);
      else this.#resumeStream(stream, record);
    }
    for (const { header, payload } of held) control(header, payload);
    control({ type: TYPE.WINDOW, offset: table.allowance.window });
    this.#path = "up";
    // Reports what was consumed since the records were written.
    table.reportAll();
    table.sender.pump();
  }

  #resumeStream(stream: Stream, record: StreamRecord): void {
    const { table, role } = this.#init;
    if (role === "agent") stream.lane = record.lane;
    // Bytes in flight on another lane may have been consumed, and reported, since the record was written.
    stream.out.rewind(Math.max(record.received, stream.out.consumed));
    stream.out.raiseLimit(record.limit);
    if (role === "caller" && record.answered) stream.answered({ target: "", local: "", ref: stream.ref });
    table.released(stream, record.consumed);
    table.settle(stream);
  }

  #resumeUnlisted(stream: Stream): void {
    const { table, reopen } = this.#init;
    if (!stream.isKnown) {
      stream.out.rewind(0);
      reopen(stream);
      table.wake(stream);
    } else if (this.#unknown.has(stream)) {
      // Its OPEN was in flight on another lane, and has arrived since.
      stream.out.rewind(stream.out.consumed);
      table.wake(stream);
    } else {
      table.forget(stream, stream.in.done && stream.out.finSent ? null : LOST);
    }
  }

  #sendPages(type: number, epoch: number, payloads: readonly Uint8Array[]): void {
    for (const [index, payload] of payloads.entries()) {
      const flags = index < payloads.length - 1 ? FLAG_MORE : 0;
      this.#init.send(encodeFrame({ type, flags, offset: epoch, ...this.#init.to() }, payload));
    }
  }
}
