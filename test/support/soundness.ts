/** What must be true of an edge and its agent after any attack: nobody crashed, nothing is left, nothing secret was written down. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { expect } from "vitest";
import type { StatusView } from "../../shared/rule/api.ts";
import type { TestSite } from "./site.ts";

/** Milliseconds in which everything an attack left must be gone: sessions whose callers vanished wait for a minute. */
const SETTLE_MS = 150_000;

/** What a program prints when something was not caught. workerd's own complaints about its visitors are not among them. */
const UNCAUGHT =
  /uncaught|unhandled|exception|TypeError|RangeError|ReferenceError|AssertionError|kj::|\bat .*\.[jt]s:\d+/i;

export type Before = { agents: { pid: number; sockets: number }; lanes: string };

/** Notes how things are before the attack. */
export async function quiet(site: TestSite): Promise<Before> {
  return { agents: { pid: site.agent.pid, sockets: socketsOf(site.agent.pid) }, lanes: await lanesOf(site) };
}

/**
 * Waits until nothing is left of the attack, and asserts that the agent was never without its edge, and that nobody printed
 * an uncaught error or any of these secrets. `sameLanes`: its lanes are those of before, too; on a busy machine an honest
 * agent may replace one that it suspects.
 */
export async function expectSound(
  site: TestSite,
  before: Before,
  secrets: readonly string[] = [],
  { sameLanes = true } = {},
): Promise<void> {
  const left = async () => {
    const { sites, mappings } = await site.edge.json<StatusView>("status");
    return {
      streams: sites.flatMap(({ agents }) => agents).reduce((sum, agent) => sum + agent.streams, 0),
      visitors: mappings
        .filter((mapping) => mapping.streams > 0)
        .map(({ endpoint, streams: n }) => `${endpoint}: ${n}`),
      sockets: Math.max(0, socketsOf(before.agents.pid) - before.agents.sockets),
    };
  };
  await expect.poll(left, { timeout: SETTLE_MS, interval: 500 }).toEqual({ streams: 0, visitors: [], sockets: 0 });
  if (sameLanes) expect(await lanesOf(site)).toBe(before.lanes);
  const printed = [site.edge.serve.stdout, site.edge.serve.stderr, site.agent.stdout, site.agent.stderr].join("\n");
  expect(printed.split("\n").filter((line) => UNCAUGHT.test(line))).toEqual([]);
  expect(site.agent.stderr).not.toContain('"msg":"not connected"');
  for (const secret of secrets) expect(printed.includes(secret.trim())).toBe(false);
  // Any signature of a token is one too many.
  expect(printed).not.toMatch(/eyJ[\w-]{20,}\.[\w-]{20,}\.[\w-]{20,}/);
}

/** The agent's lanes by when they were dialled: one that was lost has another time. */
async function lanesOf(site: TestSite): Promise<string> {
  for (;;) {
    const { sites } = await site.edge.json<StatusView>("status");
    const agent = sites.find(({ name }) => name === "lab")?.agents[0];
    if (agent !== undefined && agent.lanes.length === 3) return JSON.stringify(agent.lanes.map(({ since }) => since));
  }
}

/** Sockets a process holds. */
function socketsOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).filter((fd) => linkOf(pid, fd).startsWith("socket:")).length;
}

function linkOf(pid: number, fd: string): string {
  try {
    return readlinkSync(`/proc/${pid}/fd/${fd}`);
  } catch {
    return "";
  }
}

/** Resident memory of a process, in MiB. */
export function residentOf(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;
}
