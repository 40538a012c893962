import { EXIT, Problem } from "../../link/problem.ts";
import { targetsName } from "../../shared/address/target-rule.ts";
import { clean } from "../../shared/text.ts";
import { reload, runningAgents } from "../control/client.ts";
import type { AgentReport } from "../control/report.ts";

export type AskOptions = { site?: string; json?: boolean };

/** `agent status`: describes every agent of this machine; with --json, the only one. Throws Problem. */
export async function status({ site, json }: AskOptions, env: NodeJS.ProcessEnv): Promise<string> {
  const agents = await runningAgents(env, site);
  if (json !== true) return agents.map(({ report }) => statusText(report, Date.now())).join("\n");
  const [one, other] = agents;
  if (other === undefined) return `${JSON.stringify(one?.report, undefined, 2)}\n`;
  const sites = agents.map(({ report }) => report.site).join(", ");
  throw Problem.usage("several-agents", `several agents run here, for ${sites}`, "choose one: --site NAME");
}

/** `agent ready`: throws Problem with exit code 6 unless every agent asked is connected. */
export async function ready({ site }: AskOptions, env: NodeJS.ProcessEnv): Promise<string> {
  const agents = await runningAgents(env, site);
  const waiting = agents.find(({ report }) => report.state !== "connected");
  if (waiting === undefined) return agents.map(({ report }) => `ready: ${report.site}\n`).join("");
  const { state, lastFault, site: name } = waiting.report;
  throw new Problem(
    EXIT.notReady,
    "not-ready",
    `${name} is ${state}${lastFault === null ? "" : `: ${clean(lastFault)}`}`,
    "run agent doctor to find the reason",
  );
}

/** `agent reload`. Throws Problem. */
export async function reloadAll({ site }: AskOptions, env: NodeJS.ProcessEnv): Promise<string> {
  const lines: string[] = [];
  for (const { path, report } of await runningAgents(env, site)) {
    const changed = await reload(path);
    lines.push(`${report.site}: ${changed.length === 0 ? "nothing has changed" : `changed: ${changed.join(", ")}`}\n`);
  }
  return lines.join("");
}

function statusText(report: AgentReport, now: number): string {
  const { site, state, since, edge, rtt, version, token, lastFault, metrics, config } = report;
  const daysLeft = Math.floor((Date.parse(token.expires) - now) / 86_400_000);
  const rows: [string, string][] = [
    ["site", site],
    ["state", `${state}${since === null ? "" : ` since ${moment(since)}`}`],
    ["edge", `${edge}${rtt === null ? "" : `, ${rtt.toFixed(1)} ms away`}`],
    ["agent", `${version}, process ${report.pid}, started ${moment(report.started)}`],
    [
      "token",
      `${token.jti}, until ${token.expires.slice(0, 10)} (${daysLeft} days)${token.file === null ? "" : `, from ${token.file}`}`,
    ],
    ["targets", targetsName(report.targets) ?? report.targets.join(" ")],
    ["allow", report.allow.join(" ") || "private addresses, and loopback where the token names it"],
    ["deny", report.deny.join(" ")],
    ["streams", `${report.streams} open; ${trafficText(report)}`],
    [
      "failures",
      Object.entries(report.failures)
        .map(([code, count]) => `${code} ${count}`)
        .join(", "),
    ],
    [
      "dropped",
      Object.entries(report.drops)
        .filter(([, count]) => count > 0)
        .map(([reason, count]) => `${count} ${count === 1 ? "datagram" : "datagrams"} (${reason})`)
        .join(", "),
    ],
    ["last fault", state === "connected" ? "" : (lastFault ?? "")],
    ["metrics", metrics === null ? "" : `http://${metrics}/metrics`],
    ["config", config ?? ""],
  ];
  return rows
    .filter(([, value]) => value !== "")
    .map(([name, value]) => `${name.padEnd(11)} ${clean(value, 500)}\n`)
    .join("");
}

function trafficText({ kinds }: AgentReport): string {
  const sums = Object.values(kinds).reduce(
    (sum, each) => ({ opened: sum.opened + each.opened, in: sum.in + each.bytesIn, out: sum.out + each.bytesOut }),
    { opened: 0, in: 0, out: 0 },
  );
  return `${sums.opened} so far, ${megabytes(sums.in)} in, ${megabytes(sums.out)} out`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

function moment(iso: string): string {
  return `${iso.slice(0, 10)} ${iso.slice(11, 19)} UTC`;
}
