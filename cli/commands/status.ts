import { Command } from "commander";
import type { AgentView, MappingStatus, SiteStatus, StatusView } from "../../shared/rule/api.ts";
import { edgeOf, readCommand, type Context, type EdgeOptions } from "../context.ts";
import { formatSpan } from "../duration.ts";
import { printResult, printWarnings } from "../output.ts";
import { table } from "../table.ts";

/** `sallyport status` */
export function statusCommand(context: Context): Command {
  return readCommand("status", "Show what is online, what is mapped, and why a connection was last refused.").action(
    async (options: EdgeOptions & { json?: boolean }) => {
      const status = await edgeOf(context, options).call<StatusView>("GET", "/status");
      printResult(context.output, options.json === true, status, () => statusText(status));
      printWarnings(context.output, status.warnings);
    },
  );
}

/** Formats the status for people. */
export function statusText(status: StatusView): string {
  const now = Date.parse(status.time);
  const held = status.tcpPorts === "" ? "" : `, TCP ports ${status.tcpPorts}`;
  return [
    `edge ${status.url ?? "(no URL yet)"}, version ${status.version}${held}\n`,
    sitesText(status.sites, now),
    ...callersText(status.sites, now),
    mappingsText(status.mappings, now),
  ].join("\n");
}

/** A row of the table of sites: one for each agent, or one for a site without agents. */
type Row = { site: SiteStatus; agent: AgentView | undefined };

function sitesText(sites: readonly SiteStatus[], now: number): string {
  if (sites.length === 0) return "no sites yet: sallyport site add NAME\n";
  const rows = sites.flatMap((site): Row[] =>
    site.agents.length === 0 ? [{ site, agent: undefined }] : site.agents.map((agent) => ({ site, agent })),
  );
  return table(rows, [
    { title: "SITE", value: ({ site }) => site.name },
    { title: "STATE", value: ({ site }) => site.state },
    { title: "AGENT", value: ({ agent }) => agent?.identity ?? "" },
    { title: "FROM", value: ({ agent }) => agent?.address ?? "" },
    {
      title: "FOR",
      value: ({ agent }) => (agent === undefined ? "" : formatSpan(now - Date.parse(agent.since))),
      align: "right",
    },
    { title: "STREAMS", value: ({ agent }) => String(agent?.streams ?? ""), align: "right" },
    { title: "DROPPED", value: ({ agent }) => (agent === undefined ? "" : droppedText(agent)), align: "right" },
    { title: "VERSION", value: ({ agent }) => agent?.version ?? "" },
    { title: "TOKEN UNTIL", value: ({ agent }) => agent?.expires.slice(0, 10) ?? "" },
  ]);
}

/** Formats the table of clients and gateways; nothing if there are none. */
function callersText(sites: readonly SiteStatus[], now: number): string[] {
  const rows = sites.flatMap(({ name, callers }) => callers.map((caller) => ({ site: name, caller })));
  if (rows.length === 0) return [];
  return [
    table(rows, [
      { title: "SITE", value: ({ site }) => site },
      { title: "VISITED BY", value: ({ caller }) => caller.kind },
      { title: "TOKEN", value: ({ caller }) => caller.jti },
      { title: "FROM", value: ({ caller }) => caller.address },
      { title: "FOR", value: ({ caller }) => formatSpan(now - Date.parse(caller.since)), align: "right" },
      { title: "DROPPED", value: ({ caller }) => droppedText(caller), align: "right" },
      { title: "VERSION", value: ({ caller }) => caller.version },
      { title: "TOKEN UNTIL", value: ({ caller }) => caller.expires.slice(0, 10) },
    ]),
  ];
}

/** Formats how many datagrams the relay dropped on their way to this end; "" if none. */
function droppedText({ lanes }: { lanes: AgentView["lanes"] }): string {
  const dropped = lanes.reduce((sum, lane) => sum + lane.droppedDatagrams, 0);
  return dropped === 0 ? "" : String(dropped);
}

function mappingsText(mappings: readonly MappingStatus[], now: number): string {
  if (mappings.length === 0) return "no mappings yet: sallyport map add PORT/tcp SITE HOST:PORT\n";
  return table(mappings, [
    { title: "ENDPOINT", value: ({ endpoint }) => endpoint },
    { title: "SITE", value: ({ site }) => site },
    { title: "TARGET", value: ({ target }) => target },
    { title: "STATE", value: ({ state }) => state },
    { title: "STREAMS", value: ({ streams }) => String(streams), align: "right" },
    { title: "REFUSED", value: ({ refused }) => (refused === 0 ? "" : String(refused)), align: "right" },
    {
      title: "LAST REFUSED",
      value: ({ lastRefusal }) =>
        lastRefusal === null
          ? ""
          : `${formatSpan(now - Date.parse(lastRefusal.at))} ago: ${lastRefusal.code}, ${lastRefusal.reason}`,
    },
    { title: "NAME", value: ({ name }) => name },
  ]);
}
