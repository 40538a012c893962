import { Hono } from "hono";
import { LIVE_PROTOCOL } from "../../shared/rule/live.ts";
import { registryOf } from "../registry/stub.ts";
import { problemResponse } from "../problem.ts";
import { WATCH_HEADER, type WatchPass } from "../registry/watchers.ts";
import type { ApiEnv } from "./context.ts";

/** GET /live: a WebSocket that reports changes (shared/rule/live.ts). It hibernates and costs nothing while nothing changes. */
export const liveRoutes = new Hono<ApiEnv>().get("/", async (c) => {
  const offered = (c.req.header("sec-websocket-protocol") ?? "").split(",").map((each) => each.trim());
  if (c.req.header("upgrade")?.toLowerCase() !== "websocket" || !offered.includes(LIVE_PROTOCOL)) {
    return problemResponse({
      status: 426,
      code: "websocket-needed",
      title: "WebSocket needed",
      detail: `Open this URL as a WebSocket with the sub-protocol ${LIVE_PROTOCOL}.`,
    });
  }
  const { jti, exp } = c.var.admin;
  const pass: WatchPass = { jti, until: exp * 1000 };
  return registryOf(c.env).fetch("http://registry/live", {
    headers: { upgrade: "websocket", [WATCH_HEADER]: JSON.stringify(pass) },
  });
});
