import { Command, Option } from "commander";
import { Problem } from "../../link/problem.ts";
import type { MappingAnswer, RemovedAnswer, MappingView } from "../../shared/rule/api.ts";
import { parseTag } from "../../shared/rule/field-schemas.ts";
import { FORMATS, registerText, type Format } from "../../shared/rule/register-text.ts";
import { edgeCommand, edgeOf, readCommand, type Context, type EdgeOptions } from "../context.ts";
import { formatSpan, parseDuration } from "../duration.ts";
import { allPages } from "../edge.ts";
import { printResult, printWarnings } from "../output.ts";
import { describeMapping } from "../describe.ts";
import { ruleFields, withRuleOptions, type RuleOptions } from "../rule-options.ts";
import { table } from "../table.ts";
import { applyCommand } from "./apply.ts";
import { editCommand } from "./map-edit.ts";

type ReadOptions = EdgeOptions & { json?: boolean };

/** `sallyport map add ENDPOINT SITE TARGET | ls | show E | edit E | rm E | export | apply FILE` */
export function mapCommand(context: Context): Command {
  const map = new Command("map").description("Mappings: which endpoint leads to which target of which site.");
  map.addCommand(addCommand(context));
  map.addCommand(editCommand(context));
  map.addCommand(exportCommand(context));
  map.addCommand(applyCommand(context));
  map.addCommand(
    readCommand("ls", "List all mappings.")
      .option("--expired", "only those that have expired")
      .option("--tag <word>", "only those with this tag; repeated: with all of these tags", tagsOf)
      .option("--unused [time]", "only those not used for this long (30d without a value)")
      .action(async (options: ReadOptions & { expired?: boolean; unused?: string | true; tag?: string[] }) => {
        const all = await allPages<MappingView>(edgeOf(context, options), "/mappings", "mappings");
        const now = context.now();
        const { unused, expired, tag: tags = [] } = options;
        const quiet = unused === undefined ? undefined : parseDuration(unused === true ? "30d" : unused);
        const mappings = all.filter((mapping) => {
          return (
            (expired !== true || hasEnded(mapping, now)) &&
            (quiet === undefined || isUnused(mapping, now - quiet)) &&
            tags.every((tag) => tagsIn(mapping).includes(tag))
          );
        });
        printResult(context.output, options.json === true, mappings, () => listText(mappings, all.length, now));
      }),
  );
  map.addCommand(
    readCommand("show", "Show all fields of a mapping.")
      .argument("<endpoint>")
      .action(async (endpoint: string, options: ReadOptions) => {
        const { mapping, warnings } = await edgeOf(context, options).call<MappingAnswer>("GET", pathOf(endpoint));
        printResult(context.output, options.json === true, mapping, () => describeMapping(mapping));
        printWarnings(context.output, warnings);
      }),
  );
  map.addCommand(
    edgeCommand("rm", "Remove a mapping and cut the connections through it.")
      .argument("<endpoint>")
      .action(async (endpoint: string, options: EdgeOptions) => {
        const { mapping } = await edgeOf(context, options).call<RemovedAnswer>("DELETE", pathOf(endpoint));
        const what = mapping === null ? endpoint : `${mapping.endpoint} -> ${mapping.site} ${mapping.target}`;
        context.output.err(`${mapping === null ? "a mapping" : `mapping ${mapping.id}`} removed: ${what}\n`);
      }),
  );
  return map;
}

function addCommand(context: Context): Command {
  const command = edgeCommand("add", "Map an endpoint to a target of a site.")
    .argument("<endpoint>", "PORT/tcp, PORT/udp, PORT/tcp+udp, FIRST-LAST/udp, https://HOST or SITE/NAME")
    .argument("<site>")
    .argument("<target>", "HOST:PORT or http(s)://HOST[:PORT] inside the site");
  return withRuleOptions(command, false).action(
    async (endpoint: string, site: string, target: string, options: RuleOptions) => {
      const rule = { endpoint, site, target, ...ruleFields(options, context.now(), false) };
      const { mapping, warnings } = await edgeOf(context, options).call<MappingAnswer>("POST", "/mappings", rule);
      context.output.err(`mapping ${mapping.id} added: ${mapping.endpoint} -> ${mapping.site} ${mapping.target}\n`);
      printWarnings(context.output, warnings);
    },
  );
}

function exportCommand(context: Context): Command {
  return edgeCommand("export", "Print the register: a document of all mappings.")
    .addOption(
      new Option("--format <format>", "md to read, csv for spreadsheets, json for programs, toml for map apply")
        .choices(FORMATS)
        .default("md"),
    )
    .action(async (options: EdgeOptions & { format: Format }) => {
      const edge = edgeOf(context, options);
      context.output.out(
        registerText(await allPages<MappingView>(edge, "/mappings", "mappings"), options.format, edge.url),
      );
    });
}

function listText(mappings: readonly MappingView[], all: number, now: number): string {
  if (all === 0) return "no mappings yet: sallyport map add PORT/tcp SITE HOST:PORT\n";
  if (mappings.length === 0) return `no matching mappings (of ${all})\n`;
  return table(mappings, [
    { title: "ID", value: ({ id }) => String(id), align: "right" },
    { title: "ENDPOINT", value: ({ endpoint }) => endpoint },
    { title: "SITE", value: ({ site }) => site },
    { title: "TARGET", value: ({ target }) => target },
    { title: "ACCESS", value: accessText },
    {
      title: "EXPIRES",
      value: (mapping) => (hasEnded(mapping, now) ? "expired" : (mapping.expires?.slice(0, 10) ?? "")),
    },
    {
      title: "LAST USED",
      value: ({ lastUsed }) => (lastUsed === null ? "never" : `${formatSpan(now - Date.parse(lastUsed))} ago`),
    },
    { title: "NAME", value: ({ name }) => name },
    { title: "OWNER", value: ({ owner }) => owner },
    { title: "TAGS", value: (mapping) => tagsIn(mapping).join(" ") },
  ]);
}

/** Collects the values of --tag. Throws Problem(usage). */
function tagsOf(text: string, before: readonly string[] = []): string[] {
  const tag = parseTag(text);
  if (!tag.ok) throw Problem.usage(tag.error.code, tag.error.message, tag.error.fix ?? "");
  return [...before, tag.value];
}

/** Returns a mapping's tags; an edge of an earlier version sends none. */
function tagsIn({ tags }: Partial<Pick<MappingView, "tags">>): readonly string[] {
  return tags ?? [];
}

function hasEnded({ expires }: MappingView, now: number): boolean {
  return expires !== null && Date.parse(expires) <= now;
}

/** Whether a mapping was last used, and last changed, before `since`: a newer one had no time to be used. */
function isUnused({ lastUsed, changed }: MappingView, since: number): boolean {
  return Date.parse(changed.at) < since && (lastUsed === null || Date.parse(lastUsed) < since);
}

function accessText({ access, allow, deny }: MappingView): string {
  const limits = [
    allow.length > 0 ? `${allow.length} allowed` : "",
    deny.length > 0 ? `${deny.length} denied` : "",
  ].filter((text) => text !== "");
  return limits.length === 0 ? access : `${access} (${limits.join(", ")})`;
}

function pathOf(endpoint: string): string {
  return `/mappings/${encodeURIComponent(endpoint)}`;
}
