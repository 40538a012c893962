import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { Problem } from "../../link/problem.ts";
import type { MappingAnswer } from "../../shared/rule/api.ts";
import { ruleFrom } from "../../shared/rule/register-text.ts";
import { writeRules } from "../../shared/rule/rules-file.ts";
import { edgeCommand, edgeOf, type Context } from "../context.ts";
import { printWarnings } from "../output.ts";
import { ruleFields, withRuleOptions, type RuleOptions } from "../rule-options.ts";
import { rulesFrom } from "../rules-file.ts";

type EditOptions = RuleOptions & { endpoint?: string; site?: string; target?: string; ifMatch?: string };

/** `sallyport map edit E …`: the options given are changed, the rest stays; without any, an editor opens. */
export function editCommand(context: Context): Command {
  const command = edgeCommand(
    "edit",
    "Change a mapping. Without options, in $EDITOR; refused if somebody else changed it meanwhile.",
  )
    .argument("<endpoint>")
    .option("--endpoint <endpoint>", "another endpoint")
    .option("--site <site>", "another site")
    .option("--target <target>", "another target")
    .option("--if-match <etag>", "only if it is still in this state (`etag` in map show --json)");
  return withRuleOptions(command, true).action(async (endpoint: string, options: EditOptions) => {
    const edge = edgeOf(context, options);
    const path = `/mappings/${encodeURIComponent(endpoint)}`;
    const moved = Object.entries({ endpoint: options.endpoint, site: options.site, target: options.target });
    let changes = {
      ...Object.fromEntries(moved.filter(([, value]) => value !== undefined)),
      ...ruleFields(options, context.now(), true),
    };
    let ifMatch = options.ifMatch;
    if (Object.keys(changes).length === 0) {
      if (!process.stdin.isTTY) {
        throw Problem.usage(
          "nothing-to-change",
          "no change was given",
          "say what to change: sallyport map edit --help lists it",
        );
      }
      const before = await edge.call<MappingAnswer>("GET", path);
      ifMatch ??= before.mapping.etag;
      const text = writeRules(
        [ruleFrom(before.mapping)],
        "Save and leave the editor to change it; leave it as it is to change nothing.",
      );
      const edited = inEditor(text, context.env["VISUAL"] ?? context.env["EDITOR"] ?? "vi");
      if (edited === text) return void context.output.err("nothing changed\n");
      const [rule, ...more] = rulesFrom(edited, "the edited rule");
      if (rule === undefined || more.length > 0)
        throw Problem.usage("rules-invalid", "that is not one rule", "edit one rule");
      changes = whole(rule.input);
    }
    const { mapping, warnings } = await edge.call<MappingAnswer>("PATCH", path, changes, ifMatch);
    context.output.err(`mapping ${mapping.id} changed: ${mapping.endpoint} -> ${mapping.site} ${mapping.target}\n`);
    printWarnings(context.output, warnings);
  });
}

/** A rule with every field said: what was deleted in the editor goes back to its default. */
function whole(input: Record<string, unknown>): Record<string, unknown> {
  const endpoint = String(input["endpoint"]);
  const isHttp = /^https?:/.test(endpoint);
  const access = isHttp || /^\d/.test(endpoint) ? "public" : "token";
  return {
    ...DEFAULTS,
    access,
    ...input,
    http: isHttp ? { ...HTTP_DEFAULTS, ...(input["http"] as object | undefined) } : null,
  };
}

const HTTP_DEFAULTS = { hostHeader: "visitor", tlsVerify: true, ca: null, sni: null, prefix: "keep", rewrite: true };

/** What a line that was deleted goes back to. */
const DEFAULTS = {
  name: "",
  owner: "",
  note: "",
  allow: [],
  deny: [],
  expires: null,
  maxStreams: null,
  newPerSecond: null,
  bytesPerSecond: null,
  proxyProtocol: null,
  onLoss: "close",
  idleSeconds: null,
  reflectorOk: false,
};

/** The text as its user leaves it. */
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
        "set EDITOR",
      );
    return readFileSync(file, "utf8");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
