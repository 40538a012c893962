import { Hono } from "hono";
import { api } from "./api/api.ts";
import type { ApiEnv } from "./api/context.ts";
import { metrics } from "./api/metrics.ts";
import { setupProblem } from "./api/setup.ts";
import { serveDashboard } from "./dashboard.ts";
import { registryOf } from "./registry/stub.ts";
import { errorPage, newRequestId } from "./http-error.ts";
import { problemResponse } from "./problem.ts";
import { admitCaller } from "./ingress/caller.ts";
import { grantPage } from "./ingress/grant-page.ts";
import { loginPage } from "./ingress/http-login.ts";
import { forgetHosts, type HostKind } from "./ingress/http-routes.ts";
import { admitAgent } from "./ingress/lane.ts";
import { admitRaw } from "./ingress/raw.ts";
import type { ReservedVisit } from "./ingress/reserved-visit.ts";
import { forgetRoutes } from "./ingress/routes.ts";

/** What the edge keeps for itself on every host. */
export const RESERVED = "/.sallyport/";

export type ReservedPath = {
  /** Under RESERVED; with a slash at its end, all that is below it. */
  readonly path: string;
  /** "*": whatever its own routes say. */
  readonly methods: readonly string[] | "*";
  /** The hosts that carry it. */
  readonly at: readonly HostKind[];
  readonly serve: (visit: ReservedVisit) => Response | Promise<Response>;
};

const ALL_HOSTS: readonly HostKind[] = ["control", "shared", "address", "endpoints", "unknown"];
/** Bearer tokens only, so no page of somebody else's gains anything by sharing an origin with them. */
const OWN_HOSTS: readonly HostKind[] = ["control", "shared", "address"];

const apiApp = new Hono<ApiEnv>().route(`${RESERVED}api/v1`, api).route(`${RESERVED}metrics`, metrics);

const HEALTHZ = /^https?:\/\/[^/?#]*\/\.sallyport\/healthz$/;

/** Looks at the text of the URL alone: what a stranger's Host makes of it need not be a URL. */
export function isHealthz({ method, url }: Request): boolean {
  return HEALTHZ.test(url) && (method === "GET" || method === "HEAD");
}

/** That the edge runs, and its clock. */
export function healthz(): Response {
  return Response.json({ ok: true, time: Date.now() });
}

/** That it can do its work: it is set up, and the registry answers. */
async function readyz({ env }: ReservedVisit): Promise<Response> {
  const problem = setupProblem(env);
  if (problem !== undefined) return problemResponse(problem);
  try {
    const { issuers } = await registryOf(env).trust();
    return Response.json({ ok: true, loggedIn: issuers.length > 0 });
  } catch (error) {
    console.error(`the registry does not answer: ${error instanceof Error ? error.message : String(error)}`);
    return problemResponse({
      status: 503,
      code: "registry-unreachable",
      title: "Not ready",
      detail: "The registry does not answer; existing mappings go on.",
      fix: "Look at the edge's log.",
    });
  }
}

async function serveApi({ request, env, ctx, kind, authority }: ReservedVisit): Promise<Response> {
  const { scheme, text: host, port } = authority;
  try {
    return await apiApp.fetch(request, { ...env, visit: { kind, scheme, host, port } }, ctx);
  } finally {
    // What was changed through this very isolate holds in it at once.
    if (request.method !== "GET") {
      forgetRoutes();
      forgetHosts();
    }
  }
}

/** Every reserved path there is, and where it is served. */
export const RESERVED_PATHS: readonly ReservedPath[] = [
  { path: "", methods: ["GET", "HEAD"], at: ["control"], serve: serveDashboard },
  { path: "assets/", methods: ["GET", "HEAD"], at: ["control"], serve: serveDashboard },
  { path: "healthz", methods: ["GET", "HEAD"], at: ALL_HOSTS, serve: healthz },
  { path: "readyz", methods: ["GET", "HEAD"], at: OWN_HOSTS, serve: readyz },
  {
    path: "jwks.json",
    methods: ["GET", "HEAD"],
    at: OWN_HOSTS,
    serve: async ({ env }) => Response.json({ keys: (await registryOf(env).trust()).keys }),
  },
  { path: "agent", methods: ["GET"], at: OWN_HOSTS, serve: ({ request, env }) => admitAgent(request, env) },
  { path: "connect", methods: ["GET"], at: OWN_HOSTS, serve: ({ request, env }) => admitCaller(request, env) },
  { path: "api/v1/", methods: "*", at: OWN_HOSTS, serve: serveApi },
  { path: "metrics", methods: ["GET"], at: OWN_HOSTS, serve: serveApi },
  { path: "grant/", methods: ["GET", "HEAD", "POST"], at: [...OWN_HOSTS, "endpoints"], serve: grantPage },
  { path: "tcp/", methods: "*", at: [...OWN_HOSTS, "endpoints"], serve: admitRaw },
  // Where a cookie would be shared with the edge's own pages there is no login: bearer tokens only.
  { path: "login", methods: ["GET", "POST"], at: ["endpoints"], serve: loginPage },
];

export function isReserved(path: string): boolean {
  return path.startsWith(RESERVED) || path === RESERVED.slice(0, -1);
}

/** Serves a path under RESERVED if this host carries it; none ever reaches a target. */
export function serveReserved(visit: ReservedVisit): Response | Promise<Response> {
  const { request, kind, authority, path } = visit;
  const found = RESERVED_PATHS.find((each) => matches(path.slice(RESERVED.length), each.path));
  if (found === undefined || !(found.methods === "*" || found.methods.includes(request.method)))
    return notFound(request);
  if (found.at.includes(kind)) return found.serve(visit);
  if (kind !== "unknown") return notFound(request);
  return problemResponse({
    status: 404,
    code: "not-this-host",
    title: "Not found",
    detail: `This edge does not answer as ${authority.text}.`,
    fix: "Use its own URL: the one of its first login, or of --public-url.",
  });
}

function matches(path: string, reserved: string): boolean {
  return reserved.endsWith("/") ? path.startsWith(reserved) : path === reserved;
}

function notFound(request: Request): Response {
  return errorPage({ request, id: newRequestId(), code: "no-such-host" });
}
