import { EXIT, Problem } from "../link/problem.ts";
import { readRules, type FileFault, type FileRule } from "../shared/rule/rules-file.ts";

/** Reads the rules of a file. Throws Problem(configuration) that names the first line with an error. */
export function rulesFrom(text: string, file: string): FileRule[] {
  const read = readRules(text);
  if (!read.ok) throw ruleProblem(file, read.fault);
  return read.rules;
}

/** Makes a Problem(configuration) that names the line of the faulty rule. */
export function ruleProblem(file: string, { line, message, fix }: FileFault): Problem {
  return new Problem(EXIT.configuration, "rules-invalid", `${file}:${line}: ${message}`, fix);
}
