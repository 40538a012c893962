import type { Cell } from "./cell.ts";
import { Damage } from "./damage.ts";
import { Pages } from "./pages.ts";
import { numberOf, readRecord, textOf } from "./record.ts";
import { Tree, PageUses } from "./tree.ts";

/** The file offset at which SQLite puts its locks; the page there holds nothing. */
const LOCK_OFFSET = 0x4000_0000;

/**
 * Checks a database and its log as `PRAGMA quick_check` does, without SQLite: a damaged file must not be written to, and the disk may
 * be full or read-only. Returns what is wrong; undefined: nothing. Throws when the files can't be read.
 */
export function faultIn(path: string): string | undefined {
  try {
    using pages = new Pages(path);
    checkPages(pages);
    return undefined;
  } catch (error) {
    if (error instanceof Damage) return error.message;
    throw error;
  }
}

function checkPages(pages: Pages): void {
  const uses = new PageUses(pages.count);
  const lockPage = LOCK_OFFSET / pages.pageSize + 1;
  if (lockPage <= pages.count) uses.use(lockPage, "SQLite's locks");
  useFreePages(pages, uses);
  const objects: SchemaObject[] = [];
  new Tree(pages, uses, "the schema", "table", (page, cell) => objects.push(...objectOf(page, cell))).walk(1);
  const rows = new Map<string, number>();
  // Tables first: an index must have as many entries as its table has rows.
  const isIndex = ({ kind }: SchemaObject): number => (kind === "index" ? 1 : 0);
  for (const { name, table, root, kind, entries } of objects.toSorted((one, other) => isIndex(one) - isIndex(other))) {
    const found = new Tree(pages, uses, name, kind).walk(root);
    if (entries === "some") continue;
    const expected = rows.get(table) ?? found;
    if (found !== expected) throw new Damage(`${name} has ${found} entries for ${expected} rows`);
    rows.set(table, expected);
  }
  // Databases with auto-vacuum have pointer map pages, which belong to no tree.
  const isMapped = pages.header.readUInt32BE(52) !== 0;
  if (!isMapped && uses.unused > 0) throw new Damage(`page ${uses.unused} belongs to nothing`);
}

/**
 * A table or an index. `kind`: the kind of its pages, undefined where the definition can't be read. `entries`: whether it has one for
 * each row of its table.
 */
type SchemaObject = {
  name: string;
  table: string;
  root: number;
  kind: "table" | "index" | undefined;
  entries: "all" | "some";
};

/** Reads the object that an entry of the schema describes; none for views and triggers, which have no pages. Throws Damage. */
function objectOf(page: Buffer, cell: Cell): SchemaObject[] {
  const [type, name, table, root, sql] = readRecord(page, cell) ?? [];
  if (type === undefined || name === undefined || table === undefined || root === undefined || sql === undefined)
    throw new Damage("an entry that is not one of a schema");
  const at = numberOf(page, root);
  if (at === null || at === 0) return [];
  // A long definition continues on overflow pages, which are not read. Automatic indices have no definition.
  const definition = cell.overflow === 0 ? textOf(page, sql) : undefined;
  if (typeof definition === "string" && !/^CREATE [\w ]*(TABLE|INDEX)/i.test(definition))
    throw new Damage("a definition that is not one of a table or index");
  const about = { name: textOf(page, name) ?? "", table: textOf(page, table) ?? "", root: at };
  const says = (words: RegExp): boolean => definition !== null && (definition === undefined || words.test(definition));
  if (textOf(page, type) === "index")
    return [{ ...about, kind: "index", entries: says(/\bwhere\b/i) ? "some" : "all" }];
  return [{ ...about, kind: says(/\bwithout\b/i) ? undefined : "table", entries: "all" }];
}

/** Marks the free pages as used: the freelist is a chain of trunk pages, each with a list of leaves. Throws Damage. */
function useFreePages(pages: Pages, uses: PageUses): void {
  let left = pages.header.readUInt32BE(36);
  let trunk = pages.header.readUInt32BE(32);
  while (trunk !== 0 && left > 0) {
    uses.use(trunk, "the list of free pages");
    const page = pages.read(trunk);
    const leaves = page.readUInt32BE(4);
    if (leaves > pages.usable / 4 - 2) throw new Damage(`page ${trunk} has a list of free pages that is too long`);
    for (let index = 0; index < leaves; index += 1)
      uses.use(page.readUInt32BE(8 + 4 * index), "the list of free pages");
    left -= 1 + leaves;
    trunk = page.readUInt32BE(0);
  }
  if (left !== 0 || trunk !== 0) throw new Damage("the list of free pages does not have the length in the header");
}
