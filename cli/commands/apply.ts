import { readFileSync } from "node:fs";
import { Command } from "commander";
import { Refusal } from "../../link/api.ts";
import { EXIT, Problem } from "../../link/problem.ts";
import type { ApplyAnswer, RuleChange } from "../../shared/rule/api.ts";
import { lineOf, type FileRule } from "../../shared/rule/rules-file.ts";
import { clean } from "../../shared/text.ts";
import { edgeOf, readCommand, type Context, type EdgeOptions } from "../context.ts";
import { printResult, printWarnings } from "../output.ts";
import { ask } from "../prompt.ts";
import { rulesFrom, ruleProblem } from "../rules-file.ts";

type ApplyOptions = EdgeOptions & { json?: boolean; dryRun?: boolean; keep?: boolean; yes?: boolean };

/** The most warnings that are printed. */
const MAX_WARNINGS = 10;

/** `sallyport map apply FILE [--dry-run]` */
export function applyCommand(context: Context): Command {
  return readCommand(
    "apply",
    "Change the register to what a file says. Shows the difference first; makes all changes or none.",
  )
    .argument("<file>", "rules in TOML, as `map export --format toml` writes them; - reads standard input")
    .option("--dry-run", "only show the difference")
    .option("--keep", "keep mappings that are not in the file instead of removing them")
    .option("--yes", "don't ask for confirmation on a terminal")
    .action(async (file: string, options: ApplyOptions) => {
      const rules = rulesFrom(textOf(file), file);
      const edge = edgeOf(context, options);
      const wanted = { mappings: rules.map(({ input }) => input), keep: options.keep === true };
      const put = async (dryRun: boolean, tag?: string): Promise<ApplyAnswer> => {
        try {
          return await edge.call<ApplyAnswer>("PUT", "/mappings", { ...wanted, dryRun }, tag);
        } catch (error) {
          throw locateInFile(error, rules, file);
        }
      };
      const plan = await put(true);
      const json = options.json === true;
      if (!json) context.output.out(differenceText(plan));
      const warnings = plan.warnings.slice(0, MAX_WARNINGS);
      const more = plan.warnings.length - warnings.length;
      printWarnings(context.output, more > 0 ? [...warnings, `${more} more warnings are not shown`] : warnings);
      if (options.dryRun === true || plan.changes.length === 0) {
        if (json) printResult(context.output, true, plan, () => "");
        return;
      }
      if (options.yes !== true && !json && !(await isConfirmed())) {
        throw new Problem(
          EXIT.failed,
          "not-applied",
          "nothing was changed: the change was not confirmed",
          "answer yes, or give --yes",
        );
      }
      const done = await put(false, plan.tag);
      if (json) printResult(context.output, true, done, () => "");
      else context.output.err("applied\n");
    });
}

/** Asks for confirmation on a terminal; resolves to true without one. */
async function isConfirmed(): Promise<boolean> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return true;
  return /^y(?:es)?$/i.test(await ask("Apply this? [y/N] "));
}

function textOf(file: string): string {
  try {
    return readFileSync(file === "-" ? 0 : file, "utf8");
  } catch (error) {
    throw Problem.usage(
      "file-unreadable",
      `${file} can't be read: ${(error as Error).message}`,
      "check the path and who may read the file",
    );
  }
}

/** Converts an edge's refusal of one rule to a Problem that names the rule's line in the file; returns other errors as they are. */
function locateInFile(error: unknown, rules: readonly FileRule[], file: string): unknown {
  if (!(error instanceof Refusal) || error.entry === undefined) return error;
  const rule = rules[error.entry];
  return rule === undefined
    ? error
    : ruleProblem(file, { line: lineOf(rule, error.field), message: error.message, fix: error.fix });
}

const SIGNS = { add: "+", change: "~", remove: "-" } as const;

/** Formats the difference: a line for each rule, and for each field of a changed rule. */
function differenceText(answer: ApplyAnswer): string {
  const lines = answer.changes.flatMap((change) => {
    const { kind, endpoint, site, target, name } = change;
    const head = `${SIGNS[kind]} ${endpoint} -> ${site} ${target}${name === "" ? "" : `  (${clean(name)})`}`;
    return [head, ...fieldsOf(change)];
  });
  return `${[...lines, summary(answer)].join("\n")}\n`;
}

function fieldsOf({ fields }: RuleChange): string[] {
  return fields.map(({ field, before, after }) => `    ${field}: ${shown(before)} -> ${shown(after)}`);
}

function shown(value: unknown): string {
  return value === undefined ? "(default)" : clean(JSON.stringify(value), 200);
}

function summary({ changes, unchanged }: ApplyAnswer): string {
  const count = (kind: RuleChange["kind"]): number => changes.filter((change) => change.kind === kind).length;
  if (changes.length === 0) return `nothing to change, ${unchanged} unchanged`;
  return `${count("add")} to add, ${count("change")} to change, ${count("remove")} to remove, ${unchanged} unchanged`;
}
