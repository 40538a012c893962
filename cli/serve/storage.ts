import { closeSync, existsSync, openSync, readdirSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import { Problem } from "../../link/problem.ts";

/** The first bytes of every SQLite file. */
const MAGIC = Buffer.from("SQLite format 3\0");
const HEADER = 100;

/**
 * Looks at the files of the objects before workerd opens them: it would only say that something failed, and take an empty
 * file for a new edge. Finds what a full disk, a broken copy or a careless hand leaves. Throws Problem(data-damaged).
 */
export function checkStorage(storage: string): void {
  for (const name of readdirSync(storage, { recursive: true, encoding: "utf8" })) {
    const fault = name.endsWith(".sqlite") ? faultOf(join(storage, name)) : undefined;
    if (fault === undefined) continue;
    const anew = name.startsWith("sallyport-relay/")
      ? "or move this one away: a relay takes its rules from the registry again"
      : "or move this folder away to begin anew";
    throw Problem.configuration(
      "data-damaged",
      `${join(storage, name)} ${fault}`,
      `put a backup in place: sallyport restore BACKUP --data NEW-FOLDER; ${anew}`,
    );
  }
}

function faultOf(file: string): string | undefined {
  const { size } = statSync(file);
  // What was written last may still be beside it; SQLite joins the two.
  if (size === 0) return existsSync(`${file}-wal`) && statSync(`${file}-wal`).size > 0 ? undefined : "is empty";
  const header = Buffer.alloc(HEADER);
  const handle = openSync(file, "r");
  const length = readSync(handle, header, 0, HEADER, 0);
  closeSync(handle);
  if (length < HEADER || !header.subarray(0, MAGIC.length).equals(MAGIC)) return "is no database";
  // https://sqlite.org/fileformat2.html section 1.3: 1 stands for 65,536; the count of pages holds if the two numbers are the same.
  const page = header.readUInt16BE(16) === 1 ? 65_536 : header.readUInt16BE(16);
  const isCounted = header.readUInt32BE(24) === header.readUInt32BE(92);
  const expected = header.readUInt32BE(28) * page;
  return isCounted && size < expected ? `has lost its end: ${size} of ${expected} bytes` : undefined;
}
