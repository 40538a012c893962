import { fstatSync } from "node:fs";
import type { Problem } from "../link/problem.ts";
import { clean } from "../shared/text.ts";

/** Characters of one line of a message: fixes hold whole commands. */
const MAX_LINE = 4096;

/** Where a command writes: results to `out`, everything else to `err`. */
export type Output = {
  out: (text: string) => void;
  err: (text: string) => void;
  /** Whether results go to a file that other users of this machine can read. */
  isExposedFile?: () => boolean;
};

export const stdio: Output = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  isExposedFile: () => {
    const result = fstatSync(1);
    return process.platform !== "win32" && result.isFile() && (result.mode & 0o077) !== 0;
  },
};

/** The result of a read: JSON for scripts, else the text for people. */
export function printResult(output: Output, json: boolean, value: unknown, text: () => string): void {
  output.out(json ? `${JSON.stringify(value, undefined, 2)}\n` : text());
}

/** Code, cause and fix of a problem; one JSON line with `--json`. */
export function printProblem(output: Output, json: boolean, problem: Problem): void {
  const { code, fix, message } = problem;
  if (json) output.err(`${JSON.stringify({ code, cause: message, fix })}\n`);
  else output.err(`error[${code}]: ${lines(message)}\n${fix === "" ? "" : `  fix: ${lines(fix)}\n`}`);
}

/** Plain warnings of the edge about something it accepted. */
export function printWarnings(output: Output, warnings: readonly string[]): void {
  for (const warning of warnings) output.err(`warning: ${clean(warning, MAX_LINE)}\n`);
}

function lines(text: string): string {
  return text
    .split("\n")
    .map((line) => clean(line, MAX_LINE))
    .join("\n       ");
}
