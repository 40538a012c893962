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

/** Prefix of the edge's own paths, reserved on every host. */
export const RESERVED = "/.sallyport/";

export type ReservedPath = {
  /** Path below RESERVED. With a slash at its end, it includes all paths below it. */
  readonly path: string;
  /** "*": its own routes decide. */
  readonly methods: readonly string[] | "*";
  /** The kinds of hosts that serve it. */
  readonly at: readonly HostKind[];
  readonly serve: (visit: ReservedVisit) => Response | Promise<Response>;
};

const ALL_HOSTS: readonly HostKind[] = ["control", "shared", "address", "endpoints", "unknown"];
/** Hosts of the edge itself. These paths take bearer tokens only, so other pages on the same origin gain nothing. */
const OWN_HOSTS: readonly HostKind[] = ["control", "shared", "address"];

const apiApp = new Hono<ApiEnv>().route(`${RESERVED}api/v1`, api).route(`${RESERVED}metrics`, metrics);

const HEALTHZ = /^https?:\/\/[^/?#]*\/\.sallyport\/healthz$/;

/** Tells whether a request is for healthz. Matches the text, because a URL with a malformed Host header can't be parsed. */
export function isHealthz({ method, url }: Request): boolean {
  return HEALTHZ.test(url) && (method === "GET" || method === "HEAD");
}

/** Answers that the edge runs, with the time on its clock. */
export function healthz(): Response {
  return Response.json({ ok: true, time: Date.now() });
}

/** Answers whether the edge can serve: it is set up, and the registry answers. */
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
      detail: "The registry does not answer. Existing mappings go on working.",
      fix: "Look at the edge's log.",
    });
  }
}

async function serveApi({ request, env, ctx, kind, authority }: ReservedVisit): Promise<Response> {
  const { scheme, text: host, port } = authority;
  try {
    return await apiApp.fetch(request, { ...env, visit: { kind, scheme, host, port } }, ctx);
  } finally {
    // A change made through this isolate takes effect in it at once, without waiting for its caches to expire.
    if (request.method !== "GET") {
      forgetRoutes();
      forgetHosts();
    }
  }
}

/** All reserved paths, and the hosts that serve them. */
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
  // The edge's own hosts have no login for visitors, because its cookie would be shared with the edge's pages.
  { path: "login", methods: ["GET", "POST"], at: ["endpoints"], serve: loginPage },
];

export function isReserved(path: string): boolean {
  return path.startsWith(RESERVED) || path === RESERVED.slice(0, -1);
}

/** Serves a path under RESERVED if this kind of host has it; else answers 404. Such a path never reaches a target. */
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
    fix: "Use its own URL: that of its first login, or of --public-url.",
  });
}

function matches(path: string, reserved: string): boolean {
  return reserved.endsWith("/") ? path.startsWith(reserved) : path === reserved;
}

function notFound(request: Request): Response {
  return errorPage({ request, id: newRequestId(), code: "no-such-host" });
}
