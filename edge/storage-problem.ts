import type { Problem } from "./problem.ts";

/** Problems by the text of SQLite's or workerd's error. */
const STORAGE_PROBLEMS: readonly { pattern: RegExp; problem: Problem }[] = [
  {
    pattern: /SQLITE_FULL/,
    problem: {
      status: 503,
      code: "disk-full",
      title: "Disk full",
      detail: "The disk of the edge is full: nothing was changed.",
      fix: "Free some space and try again. Existing mappings go on working.",
    },
  },
  {
    pattern: /SQLITE_CORRUPT|SQLITE_NOTADB/,
    problem: {
      status: 503,
      code: "data-damaged",
      title: "Database damaged",
      detail: "A database of the edge is damaged.",
      fix: "Run sallyport serve --check --data DIR on the edge's machine: it names the file and the newest usable backup.",
    },
  },
  {
    pattern: /SQLITE_IOERR|SQLITE_READONLY|SQLITE_CANTOPEN/,
    problem: {
      status: 503,
      code: "disk-failed",
      title: "Disk failed",
      detail: "The disk of the edge can't be read or written.",
      fix: "Check it with dmesg and df: it may be full, broken or read-only. Existing mappings go on as far as possible.",
    },
  },
  {
    // workerd tells the Worker nothing more when it can't open an object's database.
    pattern: /^internal error; reference = /,
    problem: {
      status: 503,
      code: "storage-failed",
      title: "Storage failed",
      detail: "The edge could not open its database.",
      fix: "Try again. If it fails again, run sallyport serve --check --data DIR on the edge's machine and look at its log.",
    },
  },
];

/** Returns the problem for an error from an object's storage; undefined for other errors. */
export function storageProblem(error: unknown): Problem | undefined {
  const message = error instanceof Error ? error.message : String(error);
  return STORAGE_PROBLEMS.find(({ pattern }) => pattern.test(message))?.problem;
}
