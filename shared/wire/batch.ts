import { SessionError } from "./errors.ts";
import { FLAG_ACK, HEADER_BYTES, readU64, TYPE, typeName, viewOf, writeHeader, writeU64, type Frame } from "./frame.ts";

// Several small frames of one lane, channel and slot in one message (docs/protocol.md section 2).
//
// +--------+--------+-----------------+------------+------------+---------
// | type   | flags  | length u16      | stream u64 | offset u64 | payload, `length` bytes
// +--------+--------+-----------------+------------+------------+---------
//  0        1        2                 4            12           20

const ENTRY_BYTES = 20;

const BATCHABLE: ReadonlySet<number> = new Set([TYPE.ACCEPT, TYPE.DATA, TYPE.FIN, TYPE.RESET, TYPE.CREDIT, TYPE.DGRAM]);

/**
 * Whether a type may be in a BATCH. DIAL only on channel 0, the relay's own: a relay forwards a caller's BATCH unread, with
 * its channel stamped.
 */
function isAllowedInside(type: number, channel: number): boolean {
  return BATCHABLE.has(type) || (type === TYPE.DIAL && channel === 0);
}

/**
 * Decodes the entries of a BATCH. Throws SessionError(protocol) on an entry that is cut short or not allowed, and on an empty
 * BATCH.
 */
export function unbatch(frame: Frame): Frame[] {
  const { payload, lane, channel, slot } = frame;
  const view = viewOf(payload);
  const frames: Frame[] = [];
  let at = 0;
  while (at < payload.byteLength) {
    if (at + ENTRY_BYTES > payload.byteLength) throw new SessionError("protocol", "a BATCH entry is cut short");
    const type = view.getUint8(at);
    const flags = view.getUint8(at + 1);
    const end = at + ENTRY_BYTES + view.getUint16(at + 2);
    if (!isAllowedInside(type, channel)) throw new SessionError("protocol", `${typeName(type)} may not be in a BATCH`);
    if ((flags & ~FLAG_ACK) !== 0) throw new SessionError("protocol", "unknown flags in a BATCH entry");
    if (end > payload.byteLength) throw new SessionError("protocol", "a BATCH entry runs past the end");
    frames.push({
      type,
      flags,
      lane,
      channel,
      slot,
      stream: readU64(view, at + 4),
      offset: readU64(view, at + 12),
      payload: payload.subarray(at + ENTRY_BYTES, end),
    });
    at = end;
  }
  if (frames.length === 0) throw new SessionError("protocol", "an empty BATCH");
  return frames;
}

/**
 * Removes the entries of a BATCH (`bytes`, and decoded as `frame`) for which `keeps` is false. Returns the same bytes if none
 * was removed, null if all were. Throws SessionError(protocol) as `unbatch` does.
 */
export function filterBatch(bytes: Uint8Array, frame: Frame, keeps: (entry: Frame) => boolean): Uint8Array | null {
  const entries = unbatch(frame);
  const kept = entries.filter(keeps);
  if (kept.length === entries.length) return bytes;
  if (kept.length === 0) return null;
  const parts = kept.map(({ payload }) => {
    const end = payload.byteOffset + payload.byteLength - bytes.byteOffset;
    return bytes.subarray(end - payload.byteLength - ENTRY_BYTES, end);
  });
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, HEADER_BYTES));
  out.set(bytes.subarray(0, HEADER_BYTES));
  let at = HEADER_BYTES;
  for (const part of parts) {
    out.set(part, at);
    at += part.byteLength;
  }
  return out;
}

/** Bytes a frame takes inside a BATCH. */
export function batchedBytes(frame: Uint8Array): number {
  return ENTRY_BYTES + frame.byteLength - HEADER_BYTES;
}

/**
 * Encodes frames of one lane, channel and slot into one BATCH. Throws RangeError for no frames, or a payload over 65,535
 * bytes.
 */
export function batch(frames: readonly Uint8Array[]): Uint8Array {
  const [first] = frames;
  if (first === undefined) throw new RangeError("nothing to batch");
  const total = frames.reduce((sum, frame) => sum + batchedBytes(frame), HEADER_BYTES);
  const out = new Uint8Array(total);
  const head = viewOf(first);
  const [lane, channel, slot] = [head.getUint8(2), head.getUint32(4), head.getUint32(8)];
  writeHeader(out, { type: TYPE.BATCH, flags: 0, lane, channel, slot, stream: 0, offset: 0 });
  const view = viewOf(out);
  let at = HEADER_BYTES;
  for (const frame of frames) {
    const from = viewOf(frame);
    const length = frame.byteLength - HEADER_BYTES;
    if (length > 0xffff) throw new RangeError(`a frame of ${length} bytes is too large for a BATCH`);
    view.setUint8(at, from.getUint8(0));
    view.setUint8(at + 1, from.getUint8(1));
    view.setUint16(at + 2, length);
    writeU64(view, at + 4, readU64(from, 12));
    writeU64(view, at + 12, readU64(from, 20));
    out.set(frame.subarray(HEADER_BYTES), at + ENTRY_BYTES);
    at += ENTRY_BYTES + length;
  }
  return out;
}
