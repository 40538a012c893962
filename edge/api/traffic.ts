import { Hono } from "hono";
import type { TrafficView } from "../../shared/rule/api.ts";
import { registryOf } from "../registry/stub.ts";
import { TRAFFIC_MINUTES } from "../registry/traffic.ts";
import type { ApiEnv } from "./context.ts";
import { iso } from "./views.ts";

const MINUTE_MS = 60_000;

/** GET /traffic: bytes of each mapping in each minute of the last hour. Does not wake the relays. */
export const trafficRoutes = new Hono<ApiEnv>().get("/", async (c) => {
  const mappings = await registryOf(c.env).lastHour();
  const until = iso((Math.floor(Date.now() / MINUTE_MS) + 1) * MINUTE_MS);
  return c.json({ until, minutes: TRAFFIC_MINUTES, mappings } satisfies TrafficView);
});
