import { setTimeout as sleep } from "node:timers/promises";
import { Command, Option } from "commander";
import type { ConnectionList, ConnectionView } from "../../shared/rule/api.ts";
import { formatBytes, wholeNumber } from "../amount.ts";
import { edgeOf, readCommand, type Context, type EdgeOptions } from "../context.ts";
import type { Edge } from "../edge.ts";
import { printResult } from "../output.ts";
import { formatSpan, parsePast } from "../duration.ts";
import { table, type Column } from "../table.ts";

const FOLLOW_MS = 1_000;
/** Connections per page. While following, it must exceed what ends within FOLLOW_MS. */
const PAGE_SIZE = 1_000;

type LogOptions = EdgeOptions & {
  json?: boolean;
  follow?: boolean;
  since?: string;
  endpoint?: string;
  site?: string;
  visitor?: string;
  outcome?: string;
  limit: number;
};

/** `sallyport log [--follow]` */
export function logCommand(context: Context): Command {
  return readCommand("log", "Show the last connections and why each ended.")
    .option("--follow", "print new ones as they end, until Ctrl-C")
    .option("--since <when>", "only those that ended since then: 2h, 30d, or a date")
    .option("--endpoint <endpoint>", "only through this endpoint")
    .option("--site <site>", "only to this site")
    .option("--visitor <address>", "only from this address or CIDR")
    .addOption(
      new Option("--outcome <outcome>", "only those with this outcome").choices([
        "done",
        "refused",
        "reset",
        "lost",
        "cut",
      ]),
    )
    .option("--limit <number>", "show at most this many of the latest connections", wholeNumber, 100)
    .action(async (options: LogOptions) => {
      const edge = edgeOf(context, options);
      const json = options.json === true;
      const { since, endpoint, site, visitor, outcome } = options;
      const filter = {
        ...(since === undefined ? {} : { since: new Date(parsePast(since, context.now())).toISOString() }),
        ...(endpoint === undefined ? {} : { endpoint }),
        ...(site === undefined ? {} : { site }),
        ...(visitor === undefined ? {} : { visitor }),
        ...(outcome === undefined ? {} : { outcome }),
      };
      const connections = await lastConnections(edge, options.limit, filter);
      if (options.follow === true) await follow(context, edge, json, connections, filter);
      else
        printResult(context.output, json, connections, () =>
          connections.length === 0 ? "no connections yet\n" : table(connections, COLUMNS),
        );
    });
}

const COLUMNS: readonly Column<ConnectionView>[] = [
  { title: "ENDED", value: ({ ended }) => ended.slice(0, 19).replace("T", " ") },
  { title: "VISITOR", value: ({ visitor }) => visitor },
  { title: "ENDPOINT", value: ({ endpoint }) => endpoint },
  { title: "SITE", value: ({ site }) => site },
  { title: "TARGET", value: ({ target }) => target },
  { title: "LASTED", value: ({ at, ended }) => formatSpan(Date.parse(ended) - Date.parse(at)), align: "right" },
  { title: "IN", value: ({ bytesIn }) => formatBytes(bytesIn), align: "right" },
  { title: "OUT", value: ({ bytesOut }) => formatBytes(bytesOut), align: "right" },
  { title: "OUTCOME", value: ({ outcome, code }) => (code === "" ? outcome : `${outcome} (${code})`) },
  { title: "COUNT", value: ({ count }) => (count === undefined ? "" : String(count)), align: "right" },
  { title: "STREAM", value: ({ ref = "" }) => ref },
  { title: "REASON", value: ({ reason }) => reason },
];

/** Fetches the last `wanted` connections, page by page; the oldest comes first. */
async function lastConnections(edge: Edge, wanted: number, filter: Record<string, string>): Promise<ConnectionView[]> {
  let found: ConnectionView[] = [];
  for (let before: number | null = 0; before !== null && found.length < wanted;) {
    const limit = String(Math.min(PAGE_SIZE, wanted - found.length));
    const query = new URLSearchParams({ limit, ...filter, ...(before === 0 ? {} : { before: String(before) }) });
    const page: ConnectionList = await edge.call<ConnectionList>("GET", `/log?${query.toString()}`);
    found = [...page.connections, ...found];
    before = page.next;
  }
  return found;
}

/** Prints each connection once, as JSON lines or lines of text, until the process ends. */
async function follow(
  { output }: Context,
  edge: Edge,
  json: boolean,
  first: readonly ConnectionView[],
  filter: Record<string, string>,
): Promise<never> {
  let known = new Set<string>();
  let connections = first;
  for (;;) {
    for (const connection of connections)
      if (!known.has(keyOf(connection))) output.out(json ? `${JSON.stringify(connection)}\n` : lineOf(connection));
    known = new Set(connections.map(keyOf));
    await sleep(FOLLOW_MS);
    connections = await lastConnections(edge, PAGE_SIZE, filter);
  }
}

/** Identifies a connection without its number: a connection has none until the relay has delivered it to the registry. */
function keyOf({ n: _n, ...connection }: ConnectionView): string {
  return JSON.stringify(connection);
}

/** Formats a connection as a row of the table, without the headings. */
function lineOf(connection: ConnectionView): string {
  return table([connection], COLUMNS).split("\n").slice(1).join("\n");
}
