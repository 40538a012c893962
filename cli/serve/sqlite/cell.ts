import { Damage } from "./damage.ts";

/** The kinds of B-tree pages, as the first byte of a page names them. */
export const KIND = { indexInterior: 2, tableInterior: 5, indexLeaf: 10, tableLeaf: 13 } as const;

export type Cell = {
  /** The bytes it takes on its page. */
  size: number;
  /** The child page on its left; 0 on a leaf. */
  child: number;
  /** The row's id; undefined in an index. */
  row: number | undefined;
  /** The offset of its content, the content's length, and how many bytes of it are on this page. */
  content: number;
  length: number;
  local: number;
  /** The first overflow page, with the rest of the content; 0: none. */
  overflow: number;
};

/** Reads the cell at offset `at` of a page. Throws Damage when it does not fit. */
export function readCell(page: Buffer, at: number, kind: number, usable: number): Cell {
  const isInterior = kind === KIND.indexInterior || kind === KIND.tableInterior;
  const child = isInterior ? page.readUInt32BE(at) : 0;
  let next = at + (isInterior ? 4 : 0);
  let length = 0;
  if (kind !== KIND.tableInterior) {
    const read = readVarint(page, next);
    length = read.value;
    next = read.next;
  }
  let row: number | undefined;
  if (kind === KIND.tableInterior || kind === KIND.tableLeaf) {
    const read = readVarint(page, next);
    row = read.value;
    next = read.next;
  }
  const local = localOf(length, kind, usable);
  const hasRest = local < length;
  const end = next + local + (hasRest ? 4 : 0);
  if (length < 0 || end > usable) throw new Damage("a cell that reaches beyond its end");
  return {
    // At least four bytes, so that a removed cell has room for a free block's header.
    size: Math.max(4, end - at),
    child,
    row,
    content: next,
    length,
    local,
    overflow: hasRest ? page.readUInt32BE(end - 4) : 0,
  };
}

/** Returns how many of `length` bytes are on the page itself: https://sqlite.org/fileformat2.html section 1.6. */
function localOf(length: number, kind: number, usable: number): number {
  if (kind === KIND.tableInterior) return 0;
  const most = kind === KIND.tableLeaf ? usable - 35 : Math.floor(((usable - 12) * 64) / 255) - 23;
  if (length <= most) return length;
  const least = Math.floor(((usable - 12) * 32) / 255) - 23;
  const fitting = least + ((length - least) % (usable - 4));
  return fitting <= most ? fitting : least;
}

/** Reads a number of one to nine bytes; beyond 2^53 it is rounded. Throws Damage when the page ends before it. */
export function readVarint(page: Buffer, at: number): { value: number; next: number } {
  let value = 0;
  for (let index = 0; index < 7; index += 1) {
    const byte = page[at + index];
    if (byte === undefined) throw new Damage("a number that reaches beyond its end");
    value = value * 128 + (byte & 0x7f);
    if (byte < 0x80) return { value, next: at + index + 1 };
  }
  const [eighth, ninth] = page.subarray(at + 7);
  if (eighth === undefined || ninth === undefined) throw new Damage("a number that reaches beyond its end");
  // 49 bits so far; rounding at each step could reverse the order of large numbers.
  const most = (BigInt(value) << 7n) | BigInt(eighth & 0x7f);
  if (eighth < 0x80) return { value: Number(most), next: at + 8 };
  return { value: Number(BigInt.asIntN(64, (most << 8n) | BigInt(ninth))), next: at + 9 };
}
