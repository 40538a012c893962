import { closeSync, openSync, readSync, statSync } from "node:fs";

/** Bytes of a log's header; every time SQLite begins it anew, it writes other salts there. */
const HEADER = 32;

/**
 * Names the log that belongs to a database now. As long as it is the same one, everything that SQLite has put from it into the
 * file is still in the log too. Without a log nothing is written: then it is the file's own last change.
 */
export function generationOf(file: string): string {
  const header = Buffer.alloc(HEADER);
  try {
    const log = openSync(`${file}-wal`, "r");
    try {
      if (readSync(log, header, 0, HEADER, 0) === HEADER) return header.toString("hex");
    } finally {
      closeSync(log);
    }
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
  }
  const { size, mtimeNs } = statSync(file, { bigint: true });
  return `${size} ${mtimeNs}`;
}
