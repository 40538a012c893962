import { SessionError } from "./errors.ts";
import { viewOf } from "./frame.ts";

// Payloads marked "fields" (docs/protocol.md section 2): tag u8, length u16, bytes; each tag at most once.

export type Fields = Map<number, Uint8Array>;
export type FieldValue = string | number | Uint8Array | undefined;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Encodes `{tag: value}` without undefined values. Numbers take the fewest bytes. Throws RangeError for a field over 65,535
 * bytes.
 */
export function encodeFields(values: Record<number, FieldValue>): Uint8Array {
  const parts: { tag: number; bytes: Uint8Array }[] = [];
  let total = 0;
  for (const [tag, value] of Object.entries(values)) {
    if (value === undefined) continue;
    const bytes =
      typeof value === "string" ? encoder.encode(value) : typeof value === "number" ? numberBytes(value) : value;
    if (bytes.byteLength > 0xffff) throw new RangeError(`field ${tag} is ${bytes.byteLength} bytes, over 65,535`);
    parts.push({ tag: Number(tag), bytes });
    total += 3 + bytes.byteLength;
  }
  const out = new Uint8Array(total);
  const view = viewOf(out);
  let at = 0;
  for (const { tag, bytes } of parts) {
    view.setUint8(at, tag);
    view.setUint16(at + 1, bytes.byteLength);
    out.set(bytes, at + 3);
    at += 3 + bytes.byteLength;
  }
  return out;
}

/** Decodes fields. Throws SessionError(protocol) on a field that runs past the end or a tag given twice. */
export function decodeFields(payload: Uint8Array): Fields {
  const fields: Fields = new Map();
  const view = viewOf(payload);
  let at = 0;
  while (at < payload.byteLength) {
    if (at + 3 > payload.byteLength) throw new SessionError("protocol", "a field header is cut short");
    const tag = view.getUint8(at);
    const end = at + 3 + view.getUint16(at + 1);
    if (end > payload.byteLength) throw new SessionError("protocol", `field ${tag} runs past the end`);
    if (fields.has(tag)) throw new SessionError("protocol", `field ${tag} is there twice`);
    fields.set(tag, payload.subarray(at + 3, end));
    at = end;
  }
  return fields;
}

/** Reads a text field; "" if absent. Throws SessionError(protocol) on invalid UTF-8 or control characters. */
export function textField(fields: Fields, tag: number): string {
  const bytes = fields.get(tag);
  if (bytes === undefined) return "";
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    throw new SessionError("protocol", `field ${tag} is not UTF-8`);
  }
  // oxlint-disable-next-line no-control-regex -- control characters are what is refused
  if (/[\u0000-\u001f\u007f]/.test(text)) throw new SessionError("protocol", `field ${tag} has control characters`);
  return text;
}

/** Reads a number field; 0 if absent. Throws SessionError(protocol) for more than 8 bytes, or 2^53 or more. */
export function numberField(fields: Fields, tag: number): number {
  const bytes = fields.get(tag);
  if (bytes === undefined) return 0;
  if (bytes.byteLength > 8) throw new SessionError("protocol", `field ${tag} is a number of ${bytes.byteLength} bytes`);
  let value = 0;
  for (const byte of bytes) value = value * 256 + byte;
  if (value > Number.MAX_SAFE_INTEGER) throw new SessionError("protocol", `field ${tag} is 2^53 or more`);
  return value;
}

function numberBytes(value: number): Uint8Array {
  const bytes: number[] = [];
  for (let rest = value; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return Uint8Array.from(bytes);
}
