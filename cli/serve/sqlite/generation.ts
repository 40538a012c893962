import { closeSync, openSync, readSync, statSync } from "node:fs";

/** Bytes of a log's header. SQLite writes new salts there whenever it restarts the log. */
const HEADER = 32;

/**
 * Returns a text that identifies the current log of a database. While it stays the same, everything that SQLite has moved from the log
 * into the file is still in the log too. Without a log, the text identifies the file's own last change.
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
