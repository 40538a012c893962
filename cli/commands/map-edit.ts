import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { Problem } from "../../link/problem.ts";
import { unwrap } from "../../shared/result.ts";
import type { MappingAnswer, MappingView } from "../../shared/rule/api.ts";
import { parseMapping } from "../../shared/rule/mapping.ts";
import { ruleFrom } from "../../shared/rule/register-text.ts";
import { writeRules } from "../../shared/rule/rules-file.ts";
import { edgeCommand, edgeOf, type Context } from "../context.ts";
import { printWarnings } from "../output.ts";
import { ruleFields, withRuleOptions, type RuleOptions } from "../rule-options.ts";
import { rulesFrom } from "../rules-file.ts";

type EditOptions = RuleOptions & { ifMatch?: string };

/** `sallyport map edit E …`: changes the fields that are given as options; without any, opens an editor. */
export function editCommand(context: Context): Command {
  const command = edgeCommand(
    "edit",
    "Change a mapping; without options, in $EDITOR. Refused if another admin has changed it meanwhile.",
  )
    .argument("<endpoint>")
    .option("--if-match <etag>", "only if the mapping still has this etag (see map show --json)");
  return withRuleOptions(command, true).action(async (endpoint: string, options: EditOptions) => {
    const edge = edgeOf(context, options);
    const path = `/mappings/${encodeURIComponent(endpoint)}`;
    let changes = ruleFields(options, context.now(), true);
    let ifMatch = options.ifMatch;
    if (Object.keys(changes).length === 0) {
      if (!process.stdin.isTTY) {
        throw Problem.usage(
          "nothing-to-change",
          "no change was given",
          "give options for what to change: see sallyport map edit --help",
        );
      }
      const before = await edge.call<MappingAnswer>("GET", path);
      ifMatch ??= before.mapping.etag;
      const text = writeRules(
        [ruleFrom(before.mapping)],
        "Save and quit the editor to change the mapping; quit without changes to keep it.",
      );
      const edited = inEditor(text, context.env["VISUAL"] ?? context.env["EDITOR"] ?? "vi");
      if (edited === text) return void context.output.err("nothing changed\n");
      const [rule, ...more] = rulesFrom(edited, "the edited rule");
      if (rule === undefined || more.length > 0)
        throw Problem.usage(
          "rules-invalid",
          `the edited text has ${more.length + (rule === undefined ? 0 : 1)} rules`,
          "leave exactly one",
        );
      changes = whole(rule.input, before.mapping);
    }
    const { mapping, warnings } = await edge.call<MappingAnswer>("PATCH", path, changes, ifMatch);
    context.output.err(`mapping ${mapping.id} changed: ${mapping.endpoint} -> ${mapping.site} ${mapping.target}\n`);
    printWarnings(context.output, warnings);
  });
}

/**
 * Completes a rule with all its fields, so that a line deleted in the editor resets its field to the default. An edge of an earlier
 * version refuses fields that it does not know: those that its answer lacks are sent only if they were written.
 */
function whole(input: Record<string, unknown>, before: MappingView): Record<string, unknown> {
  const fields = Object.entries(unwrap(parseMapping(input)));
  return Object.fromEntries(fields.filter(([name]) => Object.hasOwn(before, name) || Object.hasOwn(input, name)));
}

/** Opens the text in an editor and returns it as the user saved it. Throws Problem when the editor fails. */
function inEditor(text: string, editor: string): string {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-"));
  const file = join(folder, "mapping.toml");
  try {
    writeFileSync(file, text, { mode: 0o600 });
    const { status, error } = spawnSync(editor, [file], { stdio: "inherit", shell: true });
    if (status !== 0)
      throw Problem.configuration(
        "editor-failed",
        `${editor}: ${error?.message ?? `exit code ${status}`}`,
        "set EDITOR to the command of an editor",
      );
    return readFileSync(file, "utf8");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
