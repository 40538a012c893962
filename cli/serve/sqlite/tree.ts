import { KIND, readCell, type Cell } from "./cell.ts";
import { Damage } from "./damage.ts";
import type { Pages } from "./pages.ts";
import { readRecord } from "./record.ts";

/** More levels than any tree has: with two cells a page, a tree this deep has more pages than SQLite allows. */
const MAX_DEPTH = 40;

/** Which pages are used: no page may be used twice, and none left over. */
export class PageUses {
  readonly #used: Uint8Array;

  constructor(count: number) {
    this.#used = new Uint8Array(count + 1);
  }

  /** Marks a page as used by `what`. Throws Damage when there is no such page, or it is used already. */
  use(page: number, what: string): void {
    if (page < 1 || page >= this.#used.length)
      throw new Damage(`${what} leads to page ${page}, which does not exist`, true);
    if (this.#used[page] === 1) throw new Damage(`page ${page} of ${what} is used twice`, true);
    this.#used[page] = 1;
  }

  /** The first page that is not used; 0: none. */
  get unused(): number {
    const found = this.#used.indexOf(0, 1);
    return Math.max(0, found);
  }
}

/** One B-tree, walked and checked: all its pages, cells and values. */
export class Tree {
  readonly #pages: Pages;
  readonly #uses: PageUses;
  readonly #name: string;
  readonly #visit: (page: Buffer, cell: Cell) => void;
  #kind: "table" | "index" | undefined;
  #entries = 0;
  #last = Number.NEGATIVE_INFINITY;

  /** `kind`: the kind it must have; undefined: any. `visit` is called with each cell that has content. */
  constructor(
    pages: Pages,
    uses: PageUses,
    name: string,
    kind: "table" | "index" | undefined,
    visit: (page: Buffer, cell: Cell) => void = () => {},
  ) {
    this.#pages = pages;
    this.#uses = uses;
    this.#name = name;
    this.#kind = kind;
    this.#visit = visit;
  }

  /** Walks the tree from its root page and returns how many rows or entries it has. Throws Damage. */
  walk(root: number): number {
    this.#walk(root, 0);
    return this.#entries;
  }

  #walk(number: number, level: number): number {
    this.#uses.use(number, this.#name);
    if (level > MAX_DEPTH) throw new Damage(`${this.#name} is deeper than any table can be`, true);
    const page = this.#pages.read(number);
    try {
      return this.#look(page, number === 1 ? 100 : 0, level);
    } catch (error) {
      const place = `page ${number} of ${this.#name}`;
      if (error instanceof RangeError) throw new Damage(`${place} points past its own end`, true);
      if (error instanceof Damage && !error.isPlaced) throw new Damage(`${place} has ${error.message}`, true);
      throw error;
    }
  }

  #look(page: Buffer, start: number, level: number): number {
    const { usable } = this.#pages;
    const kind = page.readUInt8(start);
    const isInterior = kind === KIND.tableInterior || kind === KIND.indexInterior;
    const isTable = kind === KIND.tableInterior || kind === KIND.tableLeaf;
    if (!isInterior && !isTable && kind !== KIND.indexLeaf) throw new Damage("an unknown kind");
    this.#kind ??= isTable ? "table" : "index";
    if (isTable !== (this.#kind === "table")) throw new Damage(`a kind that does not belong to a ${this.#kind}`);
    const cells = page.readUInt16BE(start + 3);
    const pointers = start + (isInterior ? 12 : 8);
    // 0 stands for 65,536.
    const content = page.readUInt16BE(start + 5) || 65_536;
    if (pointers + 2 * cells > content || content > usable) throw new Damage("no room for its content");
    const taken = freeBlocks(page, start, content, usable);
    let depth: number | undefined;
    const descend = (child: number): void => {
      const below = this.#walk(child, level + 1);
      if (depth !== undefined && depth !== below) throw new Damage("branches of different depth");
      depth = below;
    };
    for (let index = 0; index < cells; index += 1) {
      const at = page.readUInt16BE(pointers + 2 * index);
      if (at < content || at > usable - 4) throw new Damage("a cell outside its content");
      const cell = readCell(page, at, kind, usable);
      taken.push([at, cell.size]);
      if (isInterior) descend(cell.child);
      if (cell.row !== undefined) this.#order(cell.row, isInterior);
      if (kind !== KIND.tableInterior) {
        if (cell.overflow !== 0 || cell.local < cell.length) this.#chain(cell);
        readRecord(page, cell);
        this.#entries += 1;
        this.#visit(page, cell);
      }
    }
    if (isInterior) descend(page.readUInt32BE(start + 8));
    checkCoverage(taken, content, usable, page.readUInt8(start + 7));
    return (depth ?? 0) + 1;
  }

  /** Checks that row ids ascend; the id in an interior cell may be that of the last row below it. */
  #order(row: number, mayBeLast: boolean): void {
    const isSame = row === this.#last && Number.isSafeInteger(row);
    if (row < this.#last || (isSame && !mayBeLast)) throw new Damage("a row out of order");
    this.#last = row;
  }

  /** Follows the chain of overflow pages. Throws Damage. */
  #chain({ overflow, length, local }: Cell): void {
    const each = this.#pages.usable - 4;
    let next = overflow;
    for (let left = Math.ceil((length - local) / each); left > 0; left -= 1) {
      this.#uses.use(next, this.#name);
      next = this.#pages.read(next).readUInt32BE(0);
    }
    if (next !== 0) throw new Damage("a value that continues after its end");
  }
}

/** Lists the free blocks of a page as offsets with sizes. Throws Damage. */
function freeBlocks(page: Buffer, start: number, content: number, usable: number): [number, number][] {
  const found: [number, number][] = [];
  let before = content - 1;
  for (let at = page.readUInt16BE(start + 1); at !== 0; at = page.readUInt16BE(at)) {
    if (at <= before || at > usable - 4) throw new Damage("a free block out of place");
    const size = page.readUInt16BE(at + 2);
    if (size < 4 || at + size > usable) throw new Damage("a free block of no size");
    found.push([at, size]);
    // SQLite merges blocks with fewer than four bytes between them.
    before = at + size + 3;
  }
  return found;
}

/** Checks that every byte of a page's content is used once, except the fragments that its header counts. Throws Damage. */
function checkCoverage(taken: [number, number][], content: number, usable: number, fragments: number): void {
  let end = content;
  let gaps = 0;
  for (const [at, size] of taken.toSorted(([one], [other]) => one - other)) {
    if (at < end) throw new Damage("cells that overlap");
    gaps += at - end;
    end = at + size;
  }
  if (gaps + usable - end !== fragments) throw new Damage("fragments that don't add up");
}
