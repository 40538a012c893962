import { readVarint, type Cell } from "./cell.ts";
import { Damage } from "./damage.ts";

/** The bytes of a value, by serial type; from 12 on, even types are blobs and odd types are texts. */
const SIZES = [0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0];

type Value = { type: number; at: number; size: number };

/**
 * Reads types and offsets of a record's values; undefined when the record's header is not completely on the page. Throws Damage when
 * header and content contradict each other.
 */
export function readRecord(page: Buffer, { content, length, local }: Cell): Value[] | undefined {
  const header = readVarint(page, content);
  if (header.value > length) throw new Damage("a record that is shorter than its header");
  if (header.value > local) return undefined;
  const values: Value[] = [];
  let at = content + header.value;
  let next = header.next;
  const end = content + header.value;
  while (next < end) {
    const read = readVarint(page, next);
    next = read.next;
    const type = read.value;
    const size = type < 12 ? SIZES[type] : (type - 12) >> 1;
    if (size === undefined || size < 0) throw new Damage("a value of an unknown type");
    values.push({ type, at, size });
    at += size;
  }
  if (next !== end || at - content !== length) throw new Damage("a record that is not as long as its header says");
  return values;
}

/** Reads a whole number of up to six bytes; null for any other value. */
export function numberOf(page: Buffer, { type, at, size }: Value): number | null {
  if (type === 8) return 0;
  if (type === 9) return 1;
  return type >= 1 && type <= 5 ? page.readIntBE(at, size) : null;
}

/** Reads a text; null for any other value. */
export function textOf(page: Buffer, { type, at, size }: Value): string | null {
  return type >= 13 && type % 2 === 1 ? page.toString("utf8", at, at + size) : null;
}
