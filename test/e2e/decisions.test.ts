import { expect, test } from "vitest";
import WebSocket from "ws";
import { encodeControl } from "../../shared/wire/control.ts";
import { decodeFrame, encodeFrame, TYPE } from "../../shared/wire/frame.ts";
import { encodeOpen } from "../../shared/wire/open.ts";
import { REPORT } from "../support/bad-frames.ts";
import { testEdge, type TestEdge } from "../support/edge.ts";
import { welcomeLane } from "../support/lane.ts";

// Who may do what, for every route and every frame there is: one that is added without a decision here fails.

type Holder = "nobody" | "agent" | "visitor" | "gateway" | "reader" | "admin";
const HOLDERS: readonly Holder[] = ["nobody", "agent", "visitor", "gateway", "reader", "admin"];
const ADMINS: readonly Holder[] = ["reader", "admin"];

/** Who gets past the door of each route. */
const ROUTES: Readonly<Record<string, readonly Holder[]>> = {
  "GET healthz": HOLDERS,
  "HEAD healthz": HOLDERS,
  "GET readyz": HOLDERS,
  "HEAD readyz": HOLDERS,
  // The dashboard's own files, the same for all; what it shows comes from the API.
  "GET ": HOLDERS,
  "HEAD ": HOLDERS,
  "GET assets/": HOLDERS,
  "HEAD assets/": HOLDERS,
  "GET jwks.json": HOLDERS,
  "HEAD jwks.json": HOLDERS,
  "GET agent": ["agent"],
  "GET connect": ["visitor", "gateway"],
  "GET metrics": ADMINS,
  // The secret is in the path; a wrong one is answered alike to all, 404.
  "GET grant/": HOLDERS,
  "HEAD grant/": HOLDERS,
  "POST grant/": HOLDERS,
  // At hosts of endpoints only.
  "GET login": HOLDERS,
  "POST login": HOLDERS,
  "* tcp/": ["visitor"],
  // By the admin secret.
  "POST api/v1/login": HOLDERS,
  "POST api/v1/session": HOLDERS,
  "GET api/v1/session": ADMINS,
  "DELETE api/v1/session": ADMINS,
  "GET api/v1/sites": ADMINS,
  "POST api/v1/sites": ["admin"],
  "DELETE api/v1/sites/:name": ["admin"],
  "GET api/v1/tokens": ADMINS,
  "POST api/v1/tokens": ["admin"],
  "DELETE api/v1/tokens/:jti": ["admin"],
  "GET api/v1/keys": ADMINS,
  "POST api/v1/keys": ["admin"],
  "DELETE api/v1/keys/:kid": ["admin"],
  "POST api/v1/revocations": ["admin"],
  "GET api/v1/mappings": ADMINS,
  "POST api/v1/mappings": ["admin"],
  "PUT api/v1/mappings": ["admin"],
  "GET api/v1/mappings/:endpoint": ADMINS,
  "PATCH api/v1/mappings/:endpoint": ["admin"],
  "DELETE api/v1/mappings/:endpoint": ["admin"],
  "GET api/v1/grants": ADMINS,
  "POST api/v1/grants": ["admin"],
  "DELETE api/v1/grants/:id": ["admin"],
  "GET api/v1/status": ADMINS,
  "GET api/v1/log": ADMINS,
  "GET api/v1/audit": ADMINS,
  "GET api/v1/traffic": ADMINS,
  "GET api/v1/live": ADMINS,
  // Without private keys; of links it has hashes alone.
  "GET api/v1/archive": ADMINS,
  "POST api/v1/archive": ["admin"],
  // A description of doors, open to all as the source is.
  "GET api/v1/openapi.json": HOLDERS,
  "GET api/v1/usage": ADMINS,
  "GET api/v1/test": ADMINS,
  // Within the token's `publish`.
  "PUT api/v1/expose": ["agent"],
  "DELETE api/v1/expose/:endpoint": ["agent"],
};

test("every route lets in those it was decided for, and nobody else", async () => {
  await using edge = await testEdge();
  const tokens = await tokensOf(edge);
  const routes = await routesOf();
  expect(routes.filter((route) => !Object.hasOwn(ROUTES, route))).toEqual([]);
  expect(Object.keys(ROUTES).filter((route) => !routes.includes(route))).toEqual([]);
  for (const route of routes) {
    const [method = "", path = ""] = route.split(" ");
    const entered: Holder[] = [];
    for (const holder of HOLDERS) {
      const url = `${edge.url}/.sallyport/${path.replace(/:\w+/, "lab%2Fnone").replace(/^(tcp|grant)\/$/, "$1/lab/ssh")}`;
      const headers = { ...(tokens[holder] === "" ? {} : { authorization: `Bearer ${tokens[holder]}` }) };
      const how = method === "*" ? "POST" : method;
      const response = await fetch(url, {
        method: how,
        headers,
        ...(["GET", "HEAD"].includes(how) ? {} : { body: "{}" }),
      });
      if (![401, 403].includes(response.status)) entered.push(holder);
    }
    expect({ route, entered }).toEqual({ route, entered: ROUTES[route] });
  }
});

const NONE: readonly string[] = [];
const ENDS = ["agent", "client", "gateway"];
const CALLERS = ["client", "gateway"];

/** From whom a relay takes each frame; from the others it is the end of the lane. */
const FRAMES: Readonly<Record<keyof typeof TYPE, readonly string[]>> = {
  HELLO: NONE, // a second one
  WELCOME: NONE,
  REDIRECT: NONE,
  ROUTES: NONE,
  BUDGET: NONE,
  MARK: ENDS,
  GOAWAY: ENDS,
  CUT: NONE,
  RENEW: ["agent", "gateway"],
  REPORT: ["agent"],
  AWAY: NONE,
  SESSION: CALLERS,
  WINDOW: ENDS,
  RESUME: CALLERS,
  RESUMED: ["agent"],
  NUDGE: ["agent"],
  END: ENDS,
  OPEN: CALLERS,
  DIAL: NONE,
  ACCEPT: ["agent"],
  REJECT: ["agent"],
  DATA: ENDS,
  FIN: ENDS,
  RESET: ENDS,
  CREDIT: ENDS,
  ASK: ENDS,
  DGRAM: ENDS,
  UNKNOWN_FLOW: ["agent"],
  BATCH: ENDS,
};

test("a relay takes every frame from those it was decided for, and from nobody else", async () => {
  await using edge = await testEdge();
  const tokens = await tokensOf(edge);
  const kinds = { agent: tokens.agent, client: tokens.visitor, gateway: tokens.gateway };
  // The first agent makes the relay; it stays while callers come.
  const agent = await welcomeLane(edge, "agent", kinds.agent);
  const taken: Record<string, string[]> = {};
  for (const [name, type] of Object.entries(TYPE)) {
    taken[name] = [];
    for (const [kind, token] of Object.entries(kinds)) {
      const peer = await welcomeLane(edge, kind, token);
      peer.send(
        encodeFrame({ type, channel: 999_999, slot: 999_999, stream: type < TYPE.OPEN ? 0 : 1 }, payloadOf(type)),
      );
      if (await isAlive(peer, kind)) taken[name].push(kind);
      peer.terminate();
    }
  }
  agent.terminate();
  expect(taken).toEqual(FRAMES);
});

test("a token opens lanes to its own site alone", async () => {
  await using edge = await testEdge();
  const tokens = await tokensOf(edge);
  const kinds: [kind: string, token: string, sites: string[]][] = [
    ["agent", tokens.agent, []],
    ["client", tokens.visitor, ["lab"]],
    ["gateway", tokens.gateway, ["lab"]],
    ["admin", tokens.admin, []],
  ];
  const agents = [
    await welcomeLane(edge, "agent", tokens.agent),
    await welcomeLane(edge, "agent", await edge.ok("token", "agent", "shop", "--local")),
  ];
  for (const [kind, token, sites] of kinds) {
    const opened: string[] = [];
    for (const site of ["lab", "shop", "nowhere", ""]) {
      const socket = new WebSocket(`${edge.url}/.sallyport/connect?site=${site}`, "sallyport.v1", {
        headers: { authorization: `Bearer ${token}` },
      });
      const isOpen = new Promise<boolean>((resolve) => {
        socket.on("open", () => resolve(true)).on("error", () => resolve(false));
      });
      if (await isOpen) opened.push(site);
      socket.terminate();
    }
    expect({ kind, opened }).toEqual({ kind, opened: sites });
  }
  for (const socket of agents) socket.terminate();
});

async function tokensOf(edge: TestEdge): Promise<Record<Holder, string>> {
  for (const site of ["lab", "shop"]) await edge.ok("site", "add", site);
  await edge.ok("map", "add", "lab/ssh", "lab", "127.0.0.1:9");
  await edge.ok("map", "add", "shop/ssh", "shop", "127.0.0.1:9");
  return {
    nobody: "",
    agent: await edge.ok("token", "agent", "lab", "--local", "--publish", "lab/*"),
    visitor: await edge.ok("token", "visitor", "--endpoint", "lab/ssh"),
    gateway: await edge.ok("token", "gateway", "--endpoint", "lab/ssh"),
    reader: await edge.ok("token", "admin", "--read-only"),
    admin: await edge.ok("token", "admin"),
  };
}

/** `METHOD path` of everything that is served under /.sallyport/, from the tables that serve it. */
async function routesOf(): Promise<string[]> {
  const { RESERVED_PATHS } = await edgeModule<{ RESERVED_PATHS: { path: string; methods: "*" | string[] }[] }>(
    "reserved.ts",
  );
  const { api } = await edgeModule<{ api: { routes: { method: string; path: string }[] } }>("api/api.ts");
  const reserved = RESERVED_PATHS.filter(({ path }) => path !== "api/v1/").flatMap(({ path, methods }) =>
    (methods === "*" ? ["*"] : methods).map((method) => `${method} ${path}`),
  );
  const ofApi = api.routes
    .filter(({ method }) => method !== "ALL")
    .map(({ method, path }) => `${method} api/v1${path}`);
  return [...new Set([...reserved, ...ofApi])];
}

/** A part of the Worker, whose types are of another world than these. */
async function edgeModule<T>(path: string): Promise<T> {
  return (await import(/* @vite-ignore */ new URL(`../../edge/${path}`, import.meta.url).href)) as T;
}

/** Whether the relay still answers on this lane. */
async function isAlive(socket: WebSocket, kind: string): Promise<boolean> {
  const wanted: number = kind === "client" ? TYPE.REJECT : TYPE.RENEW;
  const answered = new Promise<boolean>((resolve) => {
    socket.on("message", (data: Buffer, isBinary) => isBinary && decodeFrame(data).type === wanted && resolve(true));
    socket.on("close", () => resolve(false));
  });
  if (kind === "client")
    socket.send(encodeFrame({ type: TYPE.OPEN, slot: 1, stream: 7 }, encodeOpen({ endpoint: "x/y", visitor: "" })));
  else socket.send(encodeControl(TYPE.RENEW, {}));
  return answered;
}

const encoder = new TextEncoder();

/** What makes sense for a type, so that only who sends it can be wrong. */
function payloadOf(type: number): Uint8Array {
  switch (type) {
    case TYPE.RENEW:
      return encoder.encode("{}");
    case TYPE.REPORT:
      return encoder.encode(JSON.stringify(REPORT));
    case TYPE.RESUME:
      return new Uint8Array(50);
    case TYPE.OPEN:
      return encodeOpen({ endpoint: "x/y", visitor: "" });
    case TYPE.CREDIT:
      return new Uint8Array(8);
    default:
      return new Uint8Array(0);
  }
}
