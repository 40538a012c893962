import { Hono } from "hono";
import * as z from "zod";
import type { ConnectionList } from "../../shared/rule/api.ts";
import { parseCidr } from "../../shared/address/cidr.ts";
import { formatEndpoint, parseEndpoint } from "../../shared/address/endpoint.ts";
import { registryOf } from "../registry/stub.ts";
import { connectionView } from "../registry/connection-view.ts";
import { matcherOf, type ConnectionFilter } from "../registry/connections.ts";
import { badRequest, type ApiEnv } from "./context.ts";
import { queryOf } from "./pages.ts";
import { askRelay } from "./relays.ts";

const OUTCOMES = ["done", "refused", "reset", "lost", "cut"] as const;

export const LogQuery = z.object({
  /** Limit on connections returned: the last ones that match. */
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  /** Returns the connections before this one: `next` of the newer page. */
  before: z.coerce.number().int().positive().optional(),
  /** Only connections that ended at this time or later. */
  since: z.iso.datetime({ offset: true }).optional(),
  /** A mapping's endpoint, or one port of its range. */
  endpoint: z.string().max(512).optional(),
  site: z.string().max(100).optional(),
  /** An address or a CIDR. */
  visitor: z.string().max(64).optional(),
  outcome: z.enum(OUTCOMES).optional(),
});

/** GET /log: the last connections and why each ended, oldest first. The newest page includes records that relays still hold. */
export const logRoutes = new Hono<ApiEnv>().get("/", async (c) => {
  const query = queryOf(c, LogQuery);
  if (!query.ok) return query.response;
  const { limit, before, since, site, outcome } = query.value;
  const visitor = query.value.visitor === undefined ? undefined : parseCidr(query.value.visitor);
  if (visitor?.ok === false) return badRequest(visitor.error.message);
  const endpoint = query.value.endpoint === undefined ? undefined : parseEndpoint(query.value.endpoint);
  if (endpoint?.ok === false) return badRequest(endpoint.error.message);
  const registry = registryOf(c.env);
  const text = endpoint === undefined ? undefined : formatEndpoint(endpoint.value);
  const mapping = text === undefined ? undefined : await registry.mapping(text);
  const filter: ConnectionFilter = {
    since: since === undefined ? undefined : Date.parse(since),
    site,
    endpoint: text,
    mapping: mapping?.ok === true ? mapping.value.id : undefined,
    visitor: visitor?.value.text,
    outcome,
  };
  const relays =
    before === undefined ? await Promise.all((await registry.sites()).map((each) => askRelay(c.env, each))) : [];
  // The journal is read after the relays were asked: a record handed over in between is then in both, never in neither.
  const written = await registry.connections(limit, before, filter);
  const seen = new Set(written.map(({ n: _n, ...record }) => JSON.stringify(record)));
  const held = relays
    .flatMap((relay) => relay?.recent ?? [])
    .filter((record) => !seen.has(JSON.stringify(record)))
    .filter(matcherOf(filter))
    .sort((a, b) => a.ended - b.ended);
  const kept = written.slice(Math.max(0, written.length + Math.min(held.length, limit) - limit));
  const isMore = written.length === limit || kept.length < written.length;
  return c.json({
    connections: [...kept, ...held.slice(-limit)].map(connectionView),
    next: isMore ? (kept[0]?.n ?? (written.at(-1)?.n ?? 0) + 1) : null,
  } satisfies ConnectionList);
});
