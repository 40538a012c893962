import { Command, InvalidArgumentError, Option } from "commander";
import type { MappingAnswer, MappingView } from "../../shared/api.ts";
import { collect, edgeCommand, edgeOf, readCommand, type Context, type EdgeOptions } from "../context.ts";
import { parseDuration, parseMoment } from "../duration.ts";
import { printResult, printWarnings } from "../output.ts";
import { describeMapping } from "../describe.ts";
import { table } from "../table.ts";
import { httpRule, withHttpFlags, type HttpFlags } from "./map-http.ts";

type RuleOptions = EdgeOptions & HttpFlags & {
  name?: string;
  owner?: string;
  note?: string;
  access?: string;
  allowFrom?: string[];
  denyFrom?: string[];
  expires?: string;
  maxStreams?: number;
  onLoss?: string;
  proxyProtocol?: string;
  idle?: number;
  reflectorOk?: boolean;
};

type ReadOptions = EdgeOptions & { json?: boolean };

/** `sallyport map add ENDPOINT SITE TARGET | ls | show E | rm E` */
export function mapCommand(context: Context): Command {
  const map = new Command("map").description("Mappings: which endpoint leads to which target of which site.");
  map.addCommand(addCommand(context));
  map.addCommand(
    readCommand("ls", "List all mappings.").action(async (options: ReadOptions) => {
      const { mappings } = await edgeOf(context, options).call<{ mappings: MappingView[] }>("GET", "/mappings");
      printResult(context.output, options.json === true, mappings, () => listText(mappings));
    }),
  );
  map.addCommand(
    readCommand("show", "Show everything about a mapping.")
      .argument("<endpoint>")
      .action(async (endpoint: string, options: ReadOptions) => {
        const { mapping, warnings } = await edgeOf(context, options).call<MappingAnswer>("GET", pathOf(endpoint));
        printResult(context.output, options.json === true, mapping, () => describeMapping(mapping));
        printWarnings(context.output, warnings);
      }),
  );
  map.addCommand(
    edgeCommand("rm", "Remove a mapping; connections through it are cut.")
      .argument("<endpoint>")
      .action(async (endpoint: string, options: EdgeOptions) => {
        const { mapping } = await edgeOf(context, options).call<MappingAnswer>("DELETE", pathOf(endpoint));
        context.output.err(`mapping ${mapping.id} removed: ${mapping.endpoint} -> ${mapping.site} ${mapping.target}\n`);
      }),
  );
  return map;
}

function addCommand(context: Context): Command {
  return withHttpFlags(edgeCommand("add", "Map an endpoint to a target of a site."))
    .argument("<endpoint>", "PORT/tcp, PORT/udp, PORT/tcp+udp, FIRST-LAST/udp, https://HOST or SITE/NAME")
    .argument("<site>")
    .argument("<target>", "HOST:PORT or http(s)://HOST[:PORT] inside the site")
    .option("--name <text>", "what it is, for the register")
    .option("--owner <text>", "who answers for it")
    .option("--note <text>", "why it is there")
    .addOption(new Option("--access <who>", "public, or only by token").choices(["public", "token"]))
    .option("--allow-from <cidr>", "a source that may come; repeatable; without it, everyone", collect)
    .option("--deny-from <cidr>", "a source that may not come; repeatable", collect)
    .option("--expires <when>", "when it ends: 12h, 90d, or a date")
    .option("--max-streams <number>", "connections at once", wholeNumber)
    .addOption(
      new Option("--proxy-protocol <version>", "tell the target the visitor's address in this header").choices([
        "v1",
        "v2",
      ]),
    )
    .option("--idle <time>", "UDP: how long a flow may be quiet; without it, 2m", parseDuration)
    .option("--reflector-ok", "UDP: it may answer much to those who sent little")
    .addOption(
      new Option("--on-loss <what>", "what a visitor sees when the path to the agent is lost").choices([
        "close",
        "hang",
      ]),
    )
    .action(async (endpoint: string, site: string, target: string, options: RuleOptions) => {
      const { name, owner, note, access, allowFrom, denyFrom, expires, maxStreams, onLoss } = options;
      const until = expires === undefined ? undefined : parseMoment(expires, context.now());
      const rule = {
        endpoint,
        site,
        target,
        name,
        owner,
        note,
        access,
        allow: allowFrom,
        deny: denyFrom,
        expires: until,
        maxStreams,
        onLoss,
        proxyProtocol: options.proxyProtocol,
        idleSeconds: options.idle === undefined ? undefined : Math.round(options.idle / 1000),
        reflectorOk: options.reflectorOk,
        http: httpRule(options),
      };
      const { mapping, warnings } = await edgeOf(context, options).call<MappingAnswer>("POST", "/mappings", rule);
      context.output.err(`mapping ${mapping.id} added: ${mapping.endpoint} -> ${mapping.site} ${mapping.target}\n`);
      printWarnings(context.output, warnings);
    });
}

function listText(mappings: readonly MappingView[]): string {
  if (mappings.length === 0) return "no mappings yet: sallyport map add PORT/tcp SITE HOST:PORT\n";
  return table(mappings, [
    { title: "ID", value: ({ id }) => String(id), align: "right" },
    { title: "ENDPOINT", value: ({ endpoint }) => endpoint },
    { title: "SITE", value: ({ site }) => site },
    { title: "TARGET", value: ({ target }) => target },
    { title: "ACCESS", value: accessText },
    { title: "EXPIRES", value: ({ expires }) => expires?.slice(0, 10) ?? "" },
    { title: "NAME", value: ({ name }) => name },
    { title: "OWNER", value: ({ owner }) => owner },
  ]);
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

function wholeNumber(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("It is a whole number from 1.");
}
