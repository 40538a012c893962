import { EXIT, Problem } from "../link/problem.ts";
import { readRules, type FileFault, type FileRule } from "../shared/rule/rules-file.ts";

/** The rules of a file. Throws Problem(configuration) that names the first line that is wrong. */
export function rulesFrom(text: string, file: string): FileRule[] {
  const read = readRules(text);
  if (!read.ok) throw ruleProblem(file, read.fault);
  return read.rules;
}

/** What is wrong with a rule of a file, by the line. */
export function ruleProblem(file: string, { line, message, fix }: FileFault): Problem {
  return new Problem(EXIT.configuration, "rules-invalid", `${file}:${line}: ${message}`, fix);
}
