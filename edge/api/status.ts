import { Hono } from "hono";
import type {
  AgentView,
  CallerView,
  MappingStatus,
  RefusalView,
  SiteStatus,
  StatusView,
} from "../../shared/rule/api.ts";
import { isExpired, type Mapping } from "../../shared/rule/mapping.ts";
import { VERSION } from "../../shared/wire/version.ts";
import type { Env } from "../env.ts";
import { registryOf } from "../registry/stub.ts";
import { isUnguessable } from "../registry/secret.ts";
import type { Site } from "../registry/sites.ts";
import type { ConnectionRecord } from "../registry/types.ts";
import type { AgentStatus, EndStatus, RelayStatus } from "../relay/types.ts";
import type { ApiEnv } from "./context.ts";
import { askRelay } from "./relays.ts";
import { statusWarnings } from "./status-warnings.ts";
import { iso, siteView } from "./views.ts";

/** GET /status: sites with their agents, mappings with their last refusal, and warnings. */
export const statusRoutes = new Hono<ApiEnv>().get("/", async (c) => c.json(await statusOf(c.env, Date.now())));

/** Collects the status of the edge. Wakes the relays. */
export async function statusOf(env: Env, now: number): Promise<StatusView> {
  const registry = registryOf(env);
  const [sites, register, concerns, refusals, trust] = await Promise.all([
    registry.sites(),
    registry.register(),
    registry.concerns(),
    registry.refusals(),
    registry.trust(),
  ]);
  const relays = new Map(await Promise.all(sites.map(async (site) => [site.name, await askRelay(env, site)] as const)));
  const siteStatuses = sites.map((site) => siteStatus(site, relays.get(site.name)));
  return {
    url: trust.issuers[0] ?? null,
    version: VERSION,
    time: iso(now),
    selfHosted: env.SELF_HOSTED === "1",
    tcpPorts: env.TCP_PORTS ?? "",
    sites: siteStatuses,
    mappings: register.mappings.map((mapping) =>
      mappingStatus(mapping, siteStatuses, relays.get(mapping.site), refusals, now),
    ),
    warnings: [...secretWarnings(env), ...statusWarnings(siteStatuses, { ...register, ...concerns }, now)],
  };
}

function secretWarnings({ ADMIN_SECRET = "", SELF_HOSTED }: Env): string[] {
  if (isUnguessable(ADMIN_SECRET)) return [];
  const where =
    SELF_HOSTED === "1" ? "put it into DIR/admin-secret and restart" : "set it with wrangler secret put ADMIN_SECRET";
  return [
    `The admin secret is short enough to be guessed, so after a wrong secret, logins from that address are delayed. Make a longer one with openssl rand -base64 32; ${where}.`,
  ];
}

function siteStatus(site: Site, relay: RelayStatus | null | undefined): SiteStatus {
  const {
    instance = null,
    boot = null,
    agents = [],
    callers = [],
    droppedDatagrams = 0,
    droppedRecords = 0,
  } = relay ?? {};
  const state = site.relaySeen && relay === null ? "unknown" : agents.length > 0 ? "online" : "offline";
  return {
    ...siteView(site),
    state,
    relay: { name: site.relay, seen: site.relaySeen, instance, boot, droppedRecords },
    agents: agents.map(agentView),
    callers: callers.flatMap(callerView),
    droppedDatagrams,
  };
}

function agentView({ kind: _kind, ...agent }: AgentStatus): AgentView {
  return { ...agent, ...datesOf(agent) };
}

function callerView({ kind, slot: _slot, ...caller }: EndStatus): CallerView[] {
  return kind === "agent" ? [] : [{ kind, ...caller, ...datesOf(caller) }];
}

function datesOf({ since, expires, lanes }: Pick<EndStatus, "since" | "expires" | "lanes">) {
  return {
    since: iso(since),
    expires: iso(expires * 1000),
    lanes: lanes.map((lane) => ({ ...lane, since: iso(lane.since) })),
  };
}

function mappingStatus(
  mapping: Mapping,
  sites: readonly SiteStatus[],
  relay: RelayStatus | null | undefined,
  refusals: { last: readonly ConnectionRecord[]; counts: ReadonlyMap<number, number> },
  now: number,
): MappingStatus {
  const { id, endpoint, site, target, name, access, expires } = mapping;
  return {
    id,
    endpoint,
    site,
    target,
    name,
    access,
    expires: expires === null ? null : iso(expires),
    state: stateOf(mapping, sites.find((each) => each.name === site)?.state ?? "unknown", relay, now),
    streams: relay?.live.filter((stream) => stream.mapping === id).length ?? 0,
    lastRefusal: lastRefusal(id, relay, refusals.last),
    refused: refusals.counts.get(id) ?? 0,
  };
}

function stateOf(
  mapping: Mapping,
  site: SiteStatus["state"],
  relay: RelayStatus | null | undefined,
  now: number,
): MappingStatus["state"] {
  if (isExpired(mapping, now)) return "expired";
  switch (site) {
    case "online":
      return relay?.unreachable[String(mapping.id)] === undefined ? "ready" : "unreachable";
    case "offline":
      return "no-agent";
    case "unknown":
      return "unknown";
  }
}

/** Returns the later of the last refusals that the relay and the journal know. A relay forgets, and some refusals never reach it. */
function lastRefusal(
  id: number,
  relay: RelayStatus | null | undefined,
  journal: readonly ConnectionRecord[],
): RefusalView | null {
  const written = journal
    .filter((record) => record.mapping === id)
    .map(({ ended, code, reason }) => ({ at: ended, code, reason }));
  const remembered = relay?.refusals[String(id)];
  const [last] = [...written, ...(remembered === undefined ? [] : [remembered])].sort((a, b) => b.at - a.at);
  return last === undefined ? null : { ...last, at: iso(last.at) };
}
