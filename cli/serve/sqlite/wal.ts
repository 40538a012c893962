import { fstatSync, readSync } from "node:fs";

/** The committed content of a write-ahead log: https://sqlite.org/fileformat2.html section 4. */
export type Wal = {
  /** By page, the offset in the log of its last committed content. */
  pages: ReadonlyMap<number, number>;
  /** How many pages the database has after the last commit; 0: nothing is committed in the log. */
  count: number;
  pageSize: number;
};

const HEADER = 32;
const FRAME_HEADER = 24;
/** The last bit is the byte order of the words in the checksums. */
const MAGIC = 0x377f0682;

export const EMPTY_WAL: Wal = { pages: new Map(), count: 0, pageSize: 0 };

/**
 * Reads a log from an open file up to its last commit, as SQLite does after a power failure: the first frame with a wrong salt or
 * checksum ends the log, and frames without a commit after them do not count. No content of the file makes it throw.
 */
export function readWal(handle: number): Wal {
  const header = Buffer.alloc(HEADER);
  if (readSync(handle, header, 0, HEADER, 0) < HEADER) return EMPTY_WAL;
  const magic = header.readUInt32BE(0);
  if (magic !== MAGIC && magic !== MAGIC + 1) return EMPTY_WAL;
  const sum = new Checksum(magic === MAGIC);
  sum.add(header, 0, HEADER - 8);
  if (!sum.matches(header, HEADER - 8)) return EMPTY_WAL;
  const pageSize = header.readUInt32BE(8);
  if (!isPageSize(pageSize)) return EMPTY_WAL;

  const pages = new Map<number, number>();
  let waiting: [page: number, offset: number][] = [];
  let count = 0;
  const { size } = fstatSync(handle);
  const frame = Buffer.alloc(FRAME_HEADER + pageSize);
  for (let at = HEADER; at + frame.length <= size; at += frame.length) {
    if (readSync(handle, frame, 0, frame.length, at) < frame.length) break;
    const page = frame.readUInt32BE(0);
    const isOfThisLog = frame.compare(header, 16, 24, 8, 16) === 0;
    sum.add(frame, 0, 8);
    sum.add(frame, FRAME_HEADER, frame.length);
    if (page === 0 || !isOfThisLog || !sum.matches(frame, 16)) break;
    waiting.push([page, at + FRAME_HEADER]);
    const committed = frame.readUInt32BE(4);
    if (committed === 0) continue;
    count = committed;
    for (const [changed, offset] of waiting) pages.set(changed, offset);
    waiting = [];
  }
  return count === 0 ? EMPTY_WAL : { pages, count, pageSize };
}

export function isPageSize(size: number): boolean {
  return size >= 512 && size <= 65_536 && (size & (size - 1)) === 0;
}

/** The running checksum of a log: two sums over pairs of 32-bit words. */
class Checksum {
  readonly #littleEndian: boolean;
  #first = 0;
  #second = 0;

  constructor(littleEndian: boolean) {
    this.#littleEndian = littleEndian;
  }

  /** Adds the bytes from `start` to `end`, a multiple of eight. */
  add(bytes: Buffer, start: number, end: number): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let first = this.#first;
    let second = this.#second;
    for (let at = start; at < end; at += 8) {
      first = (first + view.getUint32(at, this.#littleEndian) + second) >>> 0;
      second = (second + view.getUint32(at + 4, this.#littleEndian) + first) >>> 0;
    }
    this.#first = first;
    this.#second = second;
  }

  /** Whether the checksum written at `at` is this one. */
  matches(bytes: Buffer, at: number): boolean {
    return bytes.readUInt32BE(at) === this.#first && bytes.readUInt32BE(at + 4) === this.#second;
  }
}
