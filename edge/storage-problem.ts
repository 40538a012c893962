import type { Problem } from "./problem.ts";

/** What SQLite says in its errors, and what that means for whoever runs the edge. */
const STORAGE_PROBLEMS: readonly { pattern: RegExp; problem: Problem }[] = [
  {
    pattern: /SQLITE_FULL/,
    problem: {
      status: 503,
      code: "disk-full",
      title: "No room",
      detail: "The disk of the edge is full: nothing was changed.",
      fix: "Make room on it and try again; what is mapped goes on meanwhile.",
    },
  },
  {
    pattern: /SQLITE_CORRUPT|SQLITE_NOTADB/,
    problem: {
      status: 503,
      code: "data-damaged",
      title: "Damaged",
      detail: "A database of the edge is damaged.",
      fix: "On its machine, sallyport serve --check --data DIR names the file and the newest usable backup.",
    },
  },
  {
    pattern: /SQLITE_IOERR|SQLITE_READONLY|SQLITE_CANTOPEN/,
    problem: {
      status: 503,
      code: "disk-failed",
      title: "Not written",
      detail: "The disk of the edge can't be read or written.",
      fix: "Look at it (dmesg, df): it may be full, broken or read-only. What is mapped goes on as far as it can.",
    },
  },
  {
    // All that workerd tells the Worker of an object whose database it can't even open.
    pattern: /^internal error; reference = /,
    problem: {
      status: 503,
      code: "storage-failed",
      title: "Not read",
      detail: "The edge could not open what it keeps.",
      fix: "Try again; on its machine, sallyport serve --check --data DIR says whether it is damaged, and its log says more.",
    },
  },
];

/** What to tell of an error that came from an object's storage; undefined when it did not. */
export function storageProblem(error: unknown): Problem | undefined {
  const message = error instanceof Error ? error.message : String(error);
  return STORAGE_PROBLEMS.find(({ pattern }) => pattern.test(message))?.problem;
}
