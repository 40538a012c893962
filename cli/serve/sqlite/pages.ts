import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { Damage } from "./damage.ts";
import { EMPTY_WAL, isPageSize, readWal, type Wal } from "./wal.ts";

/** The first bytes of every SQLite file. */
const MAGIC = Buffer.from("SQLite format 3\0");
const HEADER = 100;

/** The pages of a database as SQLite would see them: the log's version of a page before the file's. */
export class Pages implements Disposable {
  readonly pageSize: number;
  /** The bytes of a page that hold content. */
  readonly usable: number;
  /** How many pages the database has. */
  readonly count: number;
  /** The first 100 bytes of page 1. */
  readonly header: Buffer;
  readonly #file: number;
  readonly #log: number | undefined;
  readonly #wal: Wal;
  /** The size of the file in bytes. */
  readonly #size: number;

  /** Opens the files for reading. Throws Damage when the file is not a database or is shorter than its header says. */
  constructor(path: string) {
    this.#file = openSync(path, "r");
    try {
      this.#log = openLog(`${path}-wal`);
      this.#wal = this.#log === undefined ? EMPTY_WAL : readWal(this.#log);
      const { size } = fstatSync(this.#file);
      this.#size = size;
      if (size === 0 && this.#wal.count === 0) throw new Damage("is empty");
      this.header = this.#head();
      const { header } = this;
      // 1 stands for 65,536, which does not fit in two bytes.
      this.pageSize = header.readUInt16BE(16) === 1 ? 65_536 : header.readUInt16BE(16);
      const isOurs = isHeader(header) && isPageSize(this.pageSize);
      if (!isOurs || (this.#wal.count > 0 && this.#wal.pageSize !== this.pageSize))
        throw new Damage("is not a database");
      this.usable = this.pageSize - header.readUInt8(20);
      const there = this.#wal.count > 0 ? this.#wal.count : Math.floor(size / this.pageSize);
      // The page count in the header is valid only if these two change counters are the same.
      const counted = header.readUInt32BE(28);
      const isCounted = counted > 0 && header.readUInt32BE(24) === header.readUInt32BE(92);
      this.count = isCounted ? counted : there;
      if (this.count > there) throw this.#cut();
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /**
   * Reads page `number`, from 1 to `count`, into a new buffer. Throws Damage when it is in neither file; that is legal only for pages
   * without content, while part of the log is not yet in the file.
   */
  read(number: number): Buffer {
    const page = Buffer.allocUnsafe(this.pageSize);
    const logged = this.#wal.pages.get(number);
    const length =
      logged !== undefined && this.#log !== undefined
        ? readSync(this.#log, page, 0, this.pageSize, logged)
        : readSync(this.#file, page, 0, this.pageSize, (number - 1) * this.pageSize);
    if (length < this.pageSize) throw this.#cut();
    return page;
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
    if (this.#log !== undefined) closeSync(this.#log);
  }

  #head(): Buffer {
    const header = Buffer.alloc(HEADER);
    const logged = this.#wal.pages.get(1);
    if (logged !== undefined && this.#log !== undefined) readSync(this.#log, header, 0, HEADER, logged);
    else readSync(this.#file, header, 0, HEADER, 0);
    return header;
  }

  #cut(): Damage {
    return new Damage(`is truncated: ${this.#size} of ${this.count * this.pageSize} bytes`, true);
  }
}

/** Whether these are the first bytes of a database that current versions of SQLite can read. */
function isHeader(header: Buffer): boolean {
  const [writes = 0, reads = 0, , most, least, leaf] = header.subarray(18, 24);
  const isVersion = (version: number): boolean => version === 1 || version === 2;
  const hasFractions = most === 64 && least === 32 && leaf === 32;
  return header.subarray(0, MAGIC.length).equals(MAGIC) && isVersion(writes) && isVersion(reads) && hasFractions;
}

function openLog(path: string): number | undefined {
  try {
    return openSync(path, "r");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}
