// The part of DNS (RFC 1035) that is needed to ask a LAN for its services. Answers are untrusted input.

/** Limits on records in a message, and on compression pointers in a name: real answers have far fewer. */
const MAX_RECORDS = 200;
const MAX_JUMPS = 16;
const MAX_NAME_BYTES = 255;

export const TYPE = { A: 1, PTR: 12, SRV: 33 } as const;
const CLASS_IN = 1;
/** In a question: asks for a unicast answer (RFC 6762 section 5.4). */
const UNICAST = 0x8000;

export type DnsRecord =
  | { type: "A"; name: string; address: number[] }
  | { type: "PTR"; name: string; to: string }
  | { type: "SRV"; name: string; port: number; host: string };

/** Encodes a query for the PTR records of these names. */
export function encodeQuery(names: readonly string[]): Uint8Array {
  const parts: number[] = [0, 0, 0, 0, names.length >> 8, names.length & 255, 0, 0, 0, 0, 0, 0];
  for (const name of names) {
    for (const label of name.split(".")) parts.push(label.length, ...new TextEncoder().encode(label));
    const questionClass = UNICAST | CLASS_IN;
    parts.push(0, 0, TYPE.PTR, questionClass >> 8, questionClass & 255);
  }
  return Uint8Array.from(parts);
}

/** Decodes the A, PTR and SRV records of an answer, up to the first malformed one. */
export function decodeAnswer(bytes: Uint8Array): DnsRecord[] {
  const found: DnsRecord[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    if ((view.getUint16(2) & 0x8000) === 0) return found;
    let at = 12;
    for (let left = view.getUint16(4); left > 0; left -= 1) at = nameAt(view, at).end + 4;
    const records = view.getUint16(6) + view.getUint16(8) + view.getUint16(10);
    for (let left = Math.min(records, MAX_RECORDS); left > 0; left -= 1) {
      const { name, end } = nameAt(view, at);
      const length = view.getUint16(end + 8);
      const data = end + 10;
      if (data + length > view.byteLength) return found;
      const record = recordOf(view, name, view.getUint16(end), data, length);
      if (record !== undefined) found.push(record);
      at = data + length;
    }
  } catch (error) {
    // The message is cut short, or a name in it is malformed.
    if (!(error instanceof RangeError)) throw error;
  }
  return found;
}

function recordOf(view: DataView, name: string, type: number, at: number, length: number): DnsRecord | undefined {
  switch (type) {
    case TYPE.A:
      return length === 4
        ? { type: "A", name, address: [0, 1, 2, 3].map((index) => view.getUint8(at + index)) }
        : undefined;
    case TYPE.PTR:
      return { type: "PTR", name, to: nameAt(view, at).name };
    case TYPE.SRV:
      return { type: "SRV", name, port: view.getUint16(at + 4), host: nameAt(view, at + 6).name };
    default:
      return undefined;
  }
}

/** Decodes the name at an offset. `end`: the offset after it. Throws RangeError. */
function nameAt(view: DataView, start: number): { name: string; end: number } {
  const labels: string[] = [];
  let size = 0;
  let end: number | undefined;
  for (let at = start, jumps = 0; ;) {
    const length = view.getUint8(at);
    if (length >= 0xc0) {
      end ??= at + 2;
      at = view.getUint16(at) & 0x3fff;
      jumps += 1;
      if (jumps > MAX_JUMPS) throw new RangeError("too many compression pointers in a name");
      continue;
    }
    if (length === 0) return { name: labels.join("."), end: end ?? at + 1 };
    size += length + 1;
    if (size > MAX_NAME_BYTES || at + 1 + length > view.byteLength) throw new RangeError("a name that is too long");
    labels.push(new TextDecoder().decode(new Uint8Array(view.buffer, view.byteOffset + at + 1, length)));
    at += 1 + length;
  }
}
