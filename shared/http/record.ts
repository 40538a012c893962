import { concat } from "../wire/concat.ts";
import { SessionError } from "../wire/errors.ts";
import { HEADROOM, viewOf } from "../wire/frame.ts";
import { MAX_HEAD, MAX_MESSAGE } from "./limits.ts";
import { MAX_DATA } from "../wire/limits.ts";

// The bytes of an HTTP stream are records (docs/protocol.md section 3.3).
//
//  0        1                                   5
// +--------+-----------------------------------+----------------
// | kind   | length u32                        | bytes
// +--------+-----------------------------------+----------------

export const RECORD = {
  REQUEST: 1,
  INTERIM: 2,
  RESPONSE: 3,
  BODY: 4,
  END: 6,
  TEXT: 7,
  BINARY: 8,
  CLOSE: 9,
} as const;

export type RecordKind = (typeof RECORD)[keyof typeof RECORD];

export const RECORD_HEADER = 5;

/** Most bytes of a message that is delivered whole to a receiver with `piece`: larger ones are delivered as they come. */
const MAX_WHOLE = MAX_DATA;

/** Bytes of body that fit into one frame beside a record's header. */
export const MAX_PIECE = MAX_DATA - RECORD_HEADER;

/** Most bytes of a record, by kind. A body may have any length, because it passes in pieces. */
const MAX_LENGTH: Record<RecordKind, number> = {
  [RECORD.REQUEST]: MAX_HEAD,
  [RECORD.INTERIM]: MAX_HEAD,
  [RECORD.RESPONSE]: MAX_HEAD,
  [RECORD.BODY]: 0xffff_ffff,
  [RECORD.END]: 0,
  [RECORD.TEXT]: MAX_MESSAGE,
  [RECORD.BINARY]: MAX_MESSAGE,
  [RECORD.CLOSE]: 125,
};

export function isRecordKind(kind: number): kind is RecordKind {
  return Object.hasOwn(MAX_LENGTH, kind);
}

export function writeRecordHeader(bytes: Uint8Array, at: number, kind: RecordKind, length: number): void {
  bytes[at] = kind;
  bytes[at + 1] = length >>> 24;
  bytes[at + 2] = length >>> 16;
  bytes[at + 3] = length >>> 8;
  bytes[at + 4] = length;
}

/** Encodes one record as chunks for `stream.write`: HEADROOM, then at most MAX_DATA bytes each. */
export function recordChunks(kind: RecordKind, payload: Uint8Array): Uint8Array[] {
  const total = RECORD_HEADER + payload.byteLength;
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < total; at += MAX_DATA) {
    const chunk = new Uint8Array(HEADROOM + Math.min(MAX_DATA, total - at));
    const head = at === 0 ? RECORD_HEADER : 0;
    if (head > 0) writeRecordHeader(chunk, HEADROOM, kind, payload.byteLength);
    const from = at + head - RECORD_HEADER;
    chunk.set(payload.subarray(from, from + chunk.byteLength - HEADROOM - head), HEADROOM + head);
    chunks.push(chunk);
  }
  return chunks;
}

export type RecordEvents = {
  /** A whole record other than a body. The receiver reports `owed` of its bytes as consumed, once it has taken them. */
  record: (kind: RecordKind, payload: Uint8Array, owed: number) => void;
  /** A piece of a body. The receiver reports all its bytes as consumed. */
  body: (bytes: Uint8Array) => void;
  /**
   * A piece of a message that is longer than MAX_WHOLE. The receiver reports all its bytes as consumed. Without this event such
   * messages are kept until they are complete, and delivered by `record`.
   */
  piece?: (kind: RecordKind, bytes: Uint8Array, isLast: boolean) => void;
};

/** A record that is not complete yet. */
type Open = { kind: RecordKind; length: number; received: number; parts: Uint8Array[] };

/** Decodes the records of a stream, wherever its bytes are split. */
export class RecordReader {
  readonly #events: RecordEvents;
  readonly #header = new Uint8Array(RECORD_HEADER);
  #headerBytes = 0;
  #open: Open | null = null;

  constructor(events: RecordEvents) {
    this.#events = events;
  }

  /** Bytes kept here of a record that is not complete yet. */
  get bufferedBytes(): number {
    return this.#open === null || this.#open.parts.length === 0 ? 0 : this.#open.received;
  }

  /** True between two records. A stream that ends elsewhere was cut. */
  get isBetweenRecords(): boolean {
    return this.#open === null && this.#headerBytes === 0;
  }

  /**
   * Takes the next bytes. Returns how many of them the caller must report as consumed, because no event delivers them. Throws
   * SessionError(protocol) on an unknown kind or a record that is too long.
   */
  push(bytes: Uint8Array): number {
    let consumed = 0;
    let at = 0;
    while (at < bytes.byteLength) {
      if (this.#open === null) {
        const taken = this.#takeHeader(bytes, at);
        at += taken;
        consumed += taken;
      } else {
        const piece = bytes.subarray(at, at + this.#open.length - this.#open.received);
        at += piece.byteLength;
        consumed += this.#takePiece(this.#open, piece);
      }
    }
    return consumed;
  }

  #takeHeader(bytes: Uint8Array, at: number): number {
    const taken = Math.min(RECORD_HEADER - this.#headerBytes, bytes.byteLength - at);
    for (let index = 0; index < taken; index += 1) this.#header[this.#headerBytes + index] = bytes[at + index] ?? 0;
    this.#headerBytes += taken;
    if (this.#headerBytes < RECORD_HEADER) return taken;
    this.#headerBytes = 0;
    const kind = this.#header[0] ?? 0;
    const length = viewOf(this.#header).getUint32(1);
    if (!isRecordKind(kind)) throw new SessionError("protocol", `unknown record kind ${kind}`);
    if (length > MAX_LENGTH[kind]) throw new SessionError("protocol", `a record of kind ${kind} with ${length} bytes`);
    if (length > 0) this.#open = { kind, length, received: 0, parts: [] };
    else if (kind !== RECORD.BODY) this.#events.record(kind, EMPTY, 0);
    return taken;
  }

  /** Returns how many of the piece's bytes are consumed now. */
  #takePiece(open: Open, piece: Uint8Array): number {
    open.received += piece.byteLength;
    const whole = open.received === open.length;
    if (whole) this.#open = null;
    if (open.kind === RECORD.BODY) {
      this.#events.body(piece);
      return 0;
    }
    const isMessage = open.kind === RECORD.TEXT || open.kind === RECORD.BINARY;
    if (isMessage && open.length > MAX_WHOLE && this.#events.piece !== undefined) {
      this.#events.piece(open.kind, piece, whole);
      return 0;
    }
    if (!whole) {
      // Consumed at once, because a whole record may be longer than the stream's limit allows. Its kind's length bounds it.
      open.parts.push(piece.slice());
      return piece.byteLength;
    }
    this.#events.record(open.kind, concat([...open.parts, piece]), isMessage ? piece.byteLength : 0);
    return isMessage ? 0 : piece.byteLength;
  }
}

const EMPTY = new Uint8Array(0);
