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

// How a session outlives its path (docs/protocol.md section 6).

export type ResumptionInit = {
  role: "caller" | "agent";
  secret: Secret | undefined;
  graceMs: () => number;
  table: StreamTable;
  now: () => number;
  send: (frame: Uint8Array) => void;
  to: () => { channel: number; slot: number };
  /** Sends a control frame now that the path is up. */
  control: (header: Partial<Header> & { type: number }, payload?: Uint8Array) => void;
  /** Sends OPEN or DIAL of a stream that was never answered once more. */
  reopen: (stream: Stream) => void;
};

type Control = { header: Partial<Header> & { type: number }; payload: Uint8Array | undefined };

/** Credit and consumption are told in the records; these would be lost for good, and wait. */
const HELD: ReadonlySet<number> = new Set([TYPE.ACCEPT, TYPE.REJECT, TYPE.RESET]);

const LOST: Failure = { code: "lost", reason: "it ended while the connection was lost" };

export class Resumption {
  readonly #init: ResumptionInit;
  /** Whether frames get through: `away` after a loss, `asking` between RESUME and RESUMED, `rejoining` while streams are taken up one by one. */
  #path: "up" | "away" | "asking" | "rejoining" = "up";
  #awaySince = 0;
  #askedAt = 0;
  /** Records of a RESUMED whose last page has not come. */
  #pages: StreamRecord[] = [];
  #held: Control[] = [];
  /** Streams of which the agent had shown nothing when the last RESUME was written. */
  #unknown = new WeakSet<Stream>();
  readonly #answers = new Bucket(RESUMES_PER_SECOND, RESUME_BURST);

  constructor(init: ResumptionInit) {
    this.#init = init;
  }

  /** The last epoch that was used or accepted. */
  get epoch(): number {
    return this.#init.secret?.epoch ?? 0;
  }

  /** Control frames may leave. */
  get up(): boolean {
    return this.#path === "up" || this.#path === "rejoining";
  }

  /** DATA and FIN may leave: not while rejoining, or they would overtake an OPEN that goes out again. */
  get mayDataFlow(): boolean {
    return this.#path === "up";
  }

  /** The path is gone. False when the session can't outlive it. */
  suspend(): boolean {
    if (this.#path === "up") this.#awaySince = this.#init.now();
    this.#path = "away";
    return this.#init.secret !== undefined && this.#init.graceMs() > 0;
  }

  /** For a control frame that can't be sent now: kept if it would be lost for good. */
  holdBack(control: Control): void {
    if (HELD.has(control.header.type)) this.#held.push(control);
  }

  /** Callers: asks the agent to go on. */
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

  /** Agents: answers a RESUME whose pages are all there; false when the proof is no good. */
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

  /** Callers: a page of the answer; one to an older question is ignored. */
  answered(frame: Frame): void {
    if (this.#path !== "asking" || frame.offset !== this.#init.secret?.epoch) return;
    this.#pages.push(...decodeResumed(frame.payload).records);
    if (this.#pages.length > MAX_STREAMS)
      throw new SessionError("protocol", "RESUMED with more streams than a session may have");
    if ((frame.flags & FLAG_MORE) === 0) this.#reconcile(this.#pages);
  }

  /** The agent never had this session, and does now: every stream is opened again. Callers only. */
  reopenAll(): void {
    this.#reconcile([]);
  }

  /** Asks again when no answer came. False when the grace period is over. */
  tick(now: number): boolean {
    if (this.#path === "up") return true;
    if (now - this.#awaySince > this.#init.graceMs()) return false;
    if (this.#path === "asking" && now - this.#askedAt > RESUME_MS) this.ask();
    return true;
  }

  /** Both ends know now what the other has: streams that only one of them knows are over, the others go on. */
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
    // What was consumed since the records were written.
    table.reportAll();
    table.sender.pump();
  }

  #resumeStream(stream: Stream, record: StreamRecord): void {
    const { table, role } = this.#init;
    if (role === "agent") stream.lane = record.lane;
    // What was on its way on another lane may have been consumed, and reported, since the record was written.
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
      // Its OPEN was on its way on another lane, and has arrived since.
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
