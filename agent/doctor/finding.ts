import type { ExitCode } from "../../link/problem.ts";

export type Outcome = "ok" | "warn" | "fail" | "skipped";

/** The result of one check. `exit`: the command's exit code, if no check before this one has failed. */
export type Finding = { check: string; outcome: Outcome; detail: string; fix: string; exit: ExitCode };

export function ok(check: string, detail: string): Finding {
  return { check, outcome: "ok", detail, fix: "", exit: 0 };
}

export function warn(check: string, detail: string, fix: string): Finding {
  return { check, outcome: "warn", detail, fix, exit: 0 };
}

export function skipped(check: string, detail: string): Finding {
  return { check, outcome: "skipped", detail, fix: "", exit: 0 };
}

export function fail(check: string, exit: ExitCode, detail: string, fix: string): Finding {
  return { check, outcome: "fail", detail, fix, exit };
}
