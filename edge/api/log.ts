import { Hono } from "hono";
import { registryOf } from "../env.ts";
import { MAX_CONNECTIONS } from "../registry/journal.ts";
import { badRequest, type ApiEnv } from "./context.ts";
import { askRelay } from "./relays.ts";
import { connectionView } from "./views.ts";

const DEFAULT_LIMIT = 100;

/** GET /log?limit=N: the last connections and why each ended, oldest first; those too that relays still hold. */
export const logRoutes = new Hono<ApiEnv>().get("/", async (c) => {
  const limit = Number(c.req.query("limit") ?? DEFAULT_LIMIT);
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_CONNECTIONS) {
    return badRequest(`limit is a number from 1 to ${MAX_CONNECTIONS}.`);
  }
  const registry = registryOf(c.env);
  const relays = await Promise.all((await registry.sites()).map((site) => askRelay(c.env, site)));
  // Asked after the relays: what they hand over meanwhile is then in the journal, at worst in both.
  const written = await registry.connections(limit);
  const seen = new Set(written.map((record) => JSON.stringify(record)));
  const held = relays.flatMap((relay) => relay?.recent ?? []).filter((record) => !seen.has(JSON.stringify(record)));
  const all = [...written, ...held].sort((a, b) => a.ended - b.ended).slice(-limit);
  return c.json({ connections: all.map(connectionView) });
});
