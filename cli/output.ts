import { fstatSync } from "node:fs";
import type { Problem } from "../link/problem.ts";
import { clean } from "../shared/text.ts";

/** The most characters of one line of a message. Fixes contain whole commands, so it is large. */
const MAX_LINE = 4096;

/** What a command writes to: results to `out`, everything else to `err`. */
export type Output = {
  out: (text: string) => void;
  err: (text: string) => void;
  /** Whether `out` is a file that other users of this machine can read. */
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

/** Prints a result: JSON for scripts, else the text for people. */
export function printResult(output: Output, json: boolean, value: unknown, text: () => string): void {
  output.out(json ? `${JSON.stringify(value, undefined, 2)}\n` : text());
}

/** Prints a problem's code, cause and fix; as one line of JSON if `json`. */
export function printProblem(output: Output, json: boolean, problem: Problem): void {
  const { code, fix, message } = problem;
  if (json) output.err(`${JSON.stringify({ code, cause: message, fix })}\n`);
  else output.err(`error[${code}]: ${lines(message)}\n${fix === "" ? "" : `  fix: ${lines(fix)}\n`}`);
}

/** Prints the edge's warnings about a change that it accepted. */
export function printWarnings(output: Output, warnings: readonly string[]): void {
  for (const warning of warnings) output.err(`warning: ${clean(warning, MAX_LINE)}\n`);
}

function lines(text: string): string {
  return text
    .split("\n")
    .map((line) => clean(line, MAX_LINE))
    .join("\n       ");
}
