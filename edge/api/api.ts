import { Hono } from "hono";
import { logFault } from "../fault.ts";
import { problemResponse, type Problem } from "../problem.ts";
import { storageProblem } from "../storage-problem.ts";
import { archiveRoutes } from "./archive.ts";
import { auditRoutes } from "./audit.ts";
import type { ApiEnv } from "./context.ts";
import { exposeRoutes } from "./expose.ts";
import { grantRoutes } from "./grants.ts";
import { requireAdmin, requireSetup } from "./guard.ts";
import { keyRoutes } from "./keys.ts";
import { logRoutes } from "./log.ts";
import { liveRoutes } from "./live.ts";
import { loginRoutes } from "./login.ts";
import { mappingRoutes } from "./mappings.ts";
import { usageRoutes } from "./metrics.ts";
import { openApi } from "./openapi.ts";
import { revocationRoutes } from "./revocations.ts";
import { sessionRoutes } from "./session.ts";
import { siteRoutes } from "./sites.ts";
import { statusRoutes } from "./status.ts";
import { testRoutes } from "./test.ts";
import { tokenRoutes } from "./tokens.ts";
import { trafficRoutes } from "./traffic.ts";

/** The API of the edge's own hosts, under /.sallyport/api/v1: JSON, problems as RFC 9457, admin tokens as bearer tokens. */
export const api = new Hono<ApiEnv>()
  .use(requireSetup)
  .route("/login", loginRoutes)
  .route("/session", sessionRoutes)
  .route("/expose", exposeRoutes)
  .get("/openapi.json", (c) => c.json(openApi()))
  .use(requireAdmin)
  .route("/sites", siteRoutes)
  .route("/tokens", tokenRoutes)
  .route("/keys", keyRoutes)
  .route("/revocations", revocationRoutes)
  .route("/mappings", mappingRoutes)
  .route("/grants", grantRoutes)
  .route("/status", statusRoutes)
  .route("/log", logRoutes)
  .route("/audit", auditRoutes)
  .route("/test", testRoutes)
  .route("/usage", usageRoutes)
  .route("/traffic", trafficRoutes)
  .route("/live", liveRoutes)
  .route("/archive", archiveRoutes)
  .all("*", (c) => {
    const detail = `There is no ${c.req.method} ${c.req.path}.`;
    return problemResponse({ status: 404, code: "no-such-route", title: "Not found", detail });
  });

const DEFECT: Problem = {
  status: 500,
  code: "internal",
  title: "Internal error",
  detail: "The edge failed with an unexpected error.",
  fix: "Try again; if it fails again, look at the edge's log.",
};

api.onError((error) => {
  logFault("the API", error);
  return problemResponse(storageProblem(error) ?? DEFECT);
});
