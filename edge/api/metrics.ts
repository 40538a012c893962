import { Hono } from "hono";
import type { StatusView, UsageList } from "../../shared/rule/api.ts";
import { exposition, type Metric } from "../../shared/exposition.ts";
import { VERSION } from "../../shared/wire/version.ts";
import { registryOf } from "../registry/stub.ts";
import type { SiteUsage } from "../registry/usage.ts";
import type { ApiEnv } from "./context.ts";
import { requireAdmin, requireSetup } from "./guard.ts";
import { statusOf } from "./status.ts";

/**
 * GET /.sallyport/metrics, for Prometheus with an admin token, which may be read-only, as bearer token.
 * Each request wakes the relays: on Cloudflare, scrape every few minutes, not every few seconds.
 */
export const metrics = new Hono<ApiEnv>()
  .use(requireSetup)
  .use(requireAdmin)
  .get("/", async (c) => {
    const registry = registryOf(c.env);
    const [status, usage, refusedLogins] = await Promise.all([
      statusOf(c.env, Date.now()),
      registry.usage(today()),
      registry.refusedLogins(),
    ]);
    return c.body(exposition(metricsOf(status, usage, refusedLogins)), 200, {
      "content-type": "text/plain; version=0.0.4; charset=utf-8",
    });
  });

/** GET /usage: billed units of each site on each day of this month. */
export const usageRoutes = new Hono<ApiEnv>().get("/", async (c) => {
  const usage = await registryOf(c.env).usage(`${today().slice(0, 7)}-01`);
  return c.json({ usage } satisfies UsageList);
});

function metricsOf({ sites, mappings }: StatusView, usage: readonly SiteUsage[], refusedLogins: number): Metric[] {
  const perAgent = sites.flatMap(({ name: site, agents }) => agents.map((agent) => ({ site, agent })));
  return [
    { name: "sallyport_edge_info", type: "gauge", help: "Version of the edge.", samples: [[{ version: VERSION }, 1]] },
    {
      name: "sallyport_refused_logins_total",
      type: "counter",
      help: "Logins with a wrong admin secret or a bad admin token, since the edge was made.",
      samples: [[{}, refusedLogins]],
    },
    {
      name: "sallyport_site_online",
      type: "gauge",
      help: "1 while an agent of the site is connected.",
      samples: sites.map(({ name: site, state }) => [{ site }, state === "online" ? 1 : 0]),
    },
    {
      name: "sallyport_site_agents",
      type: "gauge",
      help: "Connected agents of the site.",
      samples: sites.map(({ name: site, agents }) => [{ site }, agents.length]),
    },
    {
      name: "sallyport_agent_streams",
      type: "gauge",
      help: "Visitors' streams through the edge's own ports and hosts.",
      samples: perAgent.map(({ site, agent }) => [{ site, agent: agent.identity }, agent.streams]),
    },
    {
      name: "sallyport_agent_token_expires_timestamp_seconds",
      type: "gauge",
      help: "When the agent's token expires.",
      samples: perAgent.map(({ site, agent }) => [{ site, agent: agent.identity }, Date.parse(agent.expires) / 1000]),
    },
    {
      name: "sallyport_site_callers",
      type: "gauge",
      help: "Connected clients and gateways of the site.",
      samples: sites.flatMap(({ name: site, callers }) =>
        (["client", "gateway"] as const).map(
          (kind) => [{ site, kind }, callers.filter((each) => each.kind === kind).length] as const,
        ),
      ),
    },
    {
      name: "sallyport_relay_datagrams_dropped_total",
      type: "counter",
      help: "Datagrams that the relay dropped since it woke because the backlog of their lane was over its limit.",
      samples: sites.map(({ name: site, droppedDatagrams }) => [{ site, reason: "backlog" }, droppedDatagrams]),
    },
    {
      name: "sallyport_mapping_ready",
      type: "gauge",
      help: "1 while the mapping has not expired and an agent that may dial its target is connected.",
      samples: mappings.map(({ endpoint, site, state }) => [{ endpoint, site }, state === "ready" ? 1 : 0]),
    },
    {
      name: "sallyport_mapping_streams",
      type: "gauge",
      help: "Open streams of the mapping.",
      samples: mappings.map(({ endpoint, site, streams }) => [{ endpoint, site }, streams]),
    },
    {
      name: "sallyport_mapping_expires_timestamp_seconds",
      type: "gauge",
      help: "When the mapping expires, if it does.",
      samples: mappings.flatMap(({ endpoint, site, expires }) =>
        expires === null ? [] : [[{ endpoint, site }, Date.parse(expires) / 1000] as const],
      ),
    },
    {
      name: "sallyport_relay_requests_today",
      type: "gauge",
      help: "Requests to the site's relay since midnight UTC.",
      samples: usage.map(({ site, requests }) => [{ site }, requests]),
    },
    {
      name: "sallyport_relay_messages_today",
      type: "gauge",
      help: "Messages to the site's relay since midnight UTC; 20 are billed as one request.",
      samples: usage.map(({ site, messages }) => [{ site }, messages]),
    },
    {
      name: "sallyport_relay_active_seconds_today",
      type: "gauge",
      help: "Seconds the site's relay was in memory since midnight UTC, estimated.",
      samples: usage.map(({ site, activeMs }) => [{ site }, activeMs / 1000]),
    },
  ];
}

function today(): string {
  return new Date().toISOString().slice(0, 10);
}
