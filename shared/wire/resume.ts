import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { concat } from "./concat.ts";
import { SessionError } from "./errors.ts";
import { readU64, viewOf, writeU64 } from "./frame.ts";
import { MAX_CONTROL } from "./limits.ts";

// The payloads of RESUME and RESUMED, and the proof of a session (docs/protocol.md section 6).
//
// RESUME:  id 16 | proof 32 | lanes u16 | records          RESUMED: lanes u16 | records
// +------------+-------+------+-------------+--------------+--------------+-----------+-----------+---------+
// | stream u64 | state | k, l | mapping u32 | received u64 | consumed u64 | limit u64 | final u64 | port u16|
// +------------+-------+------+-------------+--------------+--------------+-----------+-----------+---------+
//  0            8       9      10            14             22             30          38          46

const RECORD_BYTES = 48;
const ID_BYTES = 16;
const PROOF_BYTES = 32;
/** Offset of the first record in RESUME, and in RESUMED. */
const RESUME_HEAD = ID_BYTES + PROOF_BYTES + 2;
const RESUMED_HEAD = 2;
/**
 * Most epochs that an agent may have missed: each is one failed attempt, and they are five seconds apart within the grace
 * period.
 */
const MAX_MISSED = 1_000;

export const ALL_LANES = 0xffff;

const ANSWERED = 1;
const FINISHED = 2;
const RESET = 4;
const REFUSED = 8;

export type StreamRecord = {
  stream: number;
  /** ACCEPT was sent or seen. */
  answered: boolean;
  /** FIN or RESET was received. */
  finished: boolean;
  reset: boolean;
  /** Set by a relay whose rules no longer allow the stream. */
  refused: boolean;
  /** The lane that the caller has chosen from now on. */
  lane: number;
  mapping: number;
  /** Next offset wanted (a FIN counts one), offset consumed, absolute limit granted. */
  received: number;
  consumed: number;
  limit: number;
  /** This end's final size; null while open. */
  final: number | null;
};

export type Resume = { id: Uint8Array; proof: Uint8Array; lanes: number; records: StreamRecord[] };
export type Resumed = { lanes: number; records: StreamRecord[] };

/** Encodes RESUME in as many payloads as its records need. */
export function encodeResume(resume: Resume): Uint8Array[] {
  return pages(resume.records, RESUME_HEAD, (page) => {
    page.set(resume.id, 0);
    page.set(resume.proof, ID_BYTES);
    viewOf(page).setUint16(ID_BYTES + PROOF_BYTES, resume.lanes);
  });
}

export function encodeResumed(resumed: Resumed): Uint8Array[] {
  return pages(resumed.records, RESUMED_HEAD, (page) => viewOf(page).setUint16(0, resumed.lanes));
}

/** Decodes one page of a RESUME. Throws SessionError(protocol). */
export function decodeResume(payload: Uint8Array): Resume {
  if (payload.byteLength < RESUME_HEAD) throw new SessionError("protocol", "RESUME is cut short");
  return {
    id: payload.slice(0, ID_BYTES),
    proof: payload.slice(ID_BYTES, ID_BYTES + PROOF_BYTES),
    lanes: viewOf(payload).getUint16(ID_BYTES + PROOF_BYTES),
    records: decodeRecords(payload.subarray(RESUME_HEAD)),
  };
}

/** Decodes one page of a RESUMED. Throws SessionError(protocol). */
export function decodeResumed(payload: Uint8Array): Resumed {
  if (payload.byteLength < RESUMED_HEAD) throw new SessionError("protocol", "RESUMED is cut short");
  return { lanes: viewOf(payload).getUint16(0), records: decodeRecords(payload.subarray(RESUMED_HEAD)) };
}

/**
 * Sets `refused`, in place, in the records of a RESUME payload that `allows` refuses. For relays. Throws
 * SessionError(protocol).
 */
export function refuseRecords(payload: Uint8Array, allows: (record: StreamRecord) => boolean): void {
  const { records } = decodeResume(payload);
  const view = viewOf(payload);
  for (const [index, record] of records.entries()) {
    const at = RESUME_HEAD + index * RECORD_BYTES + 8;
    if (!allows(record)) view.setUint8(at, view.getUint8(at) | REFUSED);
  }
}

function pages(records: readonly StreamRecord[], head: number, fill: (page: Uint8Array) => void): Uint8Array[] {
  const most = Math.floor((MAX_CONTROL - head) / RECORD_BYTES);
  const out: Uint8Array[] = [];
  for (let first = 0; first === 0 || first < records.length; first += most) {
    const part = records.slice(first, first + most);
    const page = new Uint8Array(head + part.length * RECORD_BYTES);
    fill(page);
    for (const [index, record] of part.entries()) encodeRecord(viewOf(page), head + index * RECORD_BYTES, record);
    out.push(page);
  }
  return out;
}

function encodeRecord(view: DataView, at: number, record: StreamRecord): void {
  const { answered, finished, reset, refused } = record;
  writeU64(view, at, record.stream);
  view.setUint8(
    at + 8,
    (answered ? ANSWERED : 0) | (finished ? FINISHED : 0) | (reset ? RESET : 0) | (refused ? REFUSED : 0),
  );
  // The low half is reserved: it was the kind of the stream.
  view.setUint8(at + 9, record.lane << 4);
  view.setUint32(at + 10, record.mapping);
  writeU64(view, at + 14, record.received);
  writeU64(view, at + 22, record.consumed);
  writeU64(view, at + 30, record.limit);
  writeU64(view, at + 38, record.final ?? Number.MAX_SAFE_INTEGER);
  // Reserved: it was a port.
  view.setUint16(at + 46, 0);
}

function decodeRecords(bytes: Uint8Array): StreamRecord[] {
  if (bytes.byteLength % RECORD_BYTES !== 0) throw new SessionError("protocol", "a stream record is cut short");
  const view = viewOf(bytes);
  const records: StreamRecord[] = [];
  for (let at = 0; at < bytes.byteLength; at += RECORD_BYTES) {
    const state = view.getUint8(at + 8);
    const final = readU64(view, at + 38);
    records.push({
      stream: readU64(view, at),
      answered: (state & ANSWERED) !== 0,
      finished: (state & FINISHED) !== 0,
      reset: (state & RESET) !== 0,
      refused: (state & REFUSED) !== 0,
      lane: view.getUint8(at + 9) >> 4,
      mapping: view.getUint32(at + 10),
      received: readU64(view, at + 14),
      consumed: readU64(view, at + 22),
      limit: readU64(view, at + 30),
      final: final === Number.MAX_SAFE_INTEGER ? null : final,
    });
  }
  return records;
}

const PROVE = new TextEncoder().encode("sallyport resume");
const ROTATE = new TextEncoder().encode("sallyport rotate");

/**
 * The secret of a session. After SESSION it is proved and never sent again. Every proof changes it, so that each is valid
 * once.
 */
export class Secret {
  readonly id: Uint8Array;
  #secret: Uint8Array;
  /** The last epoch used or accepted. */
  epoch = 0;

  constructor(id: Uint8Array, secret: Uint8Array) {
    this.id = id;
    this.#secret = secret;
  }

  /** Makes the proof for the next epoch. Callers only. */
  prove(): Uint8Array {
    this.epoch += 1;
    const proof = hmac(sha256, this.#secret, concat([PROVE, this.id, u32(this.epoch)]));
    this.#secret = rotated(this.#secret, this.epoch);
    return proof;
  }

  /** Checks the proof of an epoch. A valid one can't be used again, nor one of an earlier epoch. Agents only. */
  accept(epoch: number, proof: Uint8Array): boolean {
    if (epoch <= this.epoch || epoch > this.epoch + MAX_MISSED) return false;
    let secret = this.#secret;
    for (let missed = this.epoch + 1; missed < epoch; missed += 1) secret = rotated(secret, missed);
    if (!equalBytes(proof, hmac(sha256, secret, concat([PROVE, this.id, u32(epoch)])))) return false;
    this.epoch = epoch;
    this.#secret = rotated(secret, epoch);
    return true;
  }
}

function rotated(secret: Uint8Array, epoch: number): Uint8Array {
  return hmac(sha256, secret, concat([ROTATE, u32(epoch)]));
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  viewOf(bytes).setUint32(0, value);
  return bytes;
}

/** Compares two arrays in constant time. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.byteLength !== b.byteLength) return false;
  let difference = 0;
  for (let at = 0; at < a.byteLength; at += 1) difference |= (a[at] ?? 0) ^ (b[at] ?? 0);
  return difference === 0;
}
