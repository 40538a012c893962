import { Hono } from "hono";
import * as z from "zod";
import type { Address } from "../../shared/address.ts";
import { cidrContains, parseCidr, type Cidr } from "../../shared/cidr.ts";
import { formatEndpoint, parseEndpoint } from "../../shared/endpoint.ts";
import { parseHostAddress, splitHostPort } from "../../shared/socket-address.ts";
import { registryOf } from "../env.ts";
import { MAX_CONNECTIONS } from "../registry/journal.ts";
import type { ConnectionRecord } from "../registry/types.ts";
import { badRequest, type ApiEnv } from "./context.ts";
import { queryOf } from "./pages.ts";
import { askRelay } from "./relays.ts";
import { connectionView } from "./views.ts";

const OUTCOMES = ["done", "refused", "reset", "lost", "cut"] as const;

export const LogQuery = z.object({
  /** The last so many of those that fit. */
  limit: z.coerce.number().int().min(1).max(MAX_CONNECTIONS).default(100),
  /** Only what ended at that time or later. */
  since: z.iso.datetime({ offset: true }).optional(),
  /** A mapping's endpoint, or one port of it. */
  endpoint: z.string().max(512).optional(),
  site: z.string().max(100).optional(),
  /** An address or a CIDR. */
  visitor: z.string().max(64).optional(),
  outcome: z.enum(OUTCOMES).optional(),
});

/** GET /log: the last connections and why each ended, oldest first; those too that relays still hold. */
export const logRoutes = new Hono<ApiEnv>().get("/", async (c) => {
  const query = queryOf(c, LogQuery);
  if (!query.ok) return query.response;
  const visitor = query.value.visitor === undefined ? undefined : parseCidr(query.value.visitor);
  if (visitor?.ok === false) return badRequest(visitor.error.message);
  const endpoint = query.value.endpoint === undefined ? undefined : parseEndpoint(query.value.endpoint);
  if (endpoint?.ok === false) return badRequest(endpoint.error.message);
  const registry = registryOf(c.env);
  const wanted = endpoint === undefined ? undefined : formatEndpoint(endpoint.value);
  const mapping = wanted === undefined ? undefined : await registry.mapping(wanted);
  const relays = await Promise.all((await registry.sites()).map((site) => askRelay(c.env, site)));
  // Asked after the relays: what they hand over meanwhile is then in the journal, at worst in both.
  const written = await registry.connections(MAX_CONNECTIONS);
  const seen = new Set(written.map((record) => JSON.stringify(record)));
  const held = relays.flatMap((relay) => relay?.recent ?? []).filter((record) => !seen.has(JSON.stringify(record)));
  const { limit, since, site, outcome } = query.value;
  const from = since === undefined ? 0 : Date.parse(since);
  const all = [...written, ...held]
    .filter((record) => record.ended >= from)
    .filter((record) => site === undefined || record.site === site)
    .filter((record) => outcome === undefined || record.outcome === outcome)
    .filter(
      (record) =>
        wanted === undefined ||
        record.endpoint === wanted ||
        (mapping?.ok === true && record.mapping === mapping.value.id),
    )
    .filter((record) => visitor === undefined || cameFrom(record, visitor.value))
    .sort((a, b) => a.ended - b.ended)
    .slice(-limit);
  return c.json({ connections: all.map(connectionView) });
});

function cameFrom({ visitor }: ConnectionRecord, cidr: Cidr): boolean {
  const address = addressOf(visitor);
  return address !== undefined && cidrContains(cidr, address);
}

/** Of `ip:port`, or an address alone. */
function addressOf(visitor: string): Address | undefined {
  const split = splitHostPort(visitor);
  const address = split === undefined ? undefined : parseHostAddress(split);
  return address?.ok === true ? address.value : undefined;
}
