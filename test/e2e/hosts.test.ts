import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { quote } from "../../cli/serve/capnp.ts";
import { ROOT } from "../../scripts/tool.ts";
import { testEdge, type TestEdge } from "../support/edge.ts";
import { loopback } from "../support/net.ts";
import { requestFrom } from "../support/request.ts";
import { run, type Run } from "../support/run.ts";

const PATHS = [
  "",
  "healthz",
  "jwks.json",
  "agent",
  "connect",
  "api/v1/status",
  "metrics",
  "tcp/lab/ssh",
  "grant/x",
  "login",
] as const;

/** Of which paths there is something at each kind of host; all others are answered 404, and never by a target. */
const SERVED: Readonly<Record<string, readonly string[]>> = {
  control: ["", "healthz", "jwks.json", "agent", "connect", "api/v1/status", "metrics", "tcp/lab/ssh"],
  address: ["healthz", "jwks.json", "agent", "connect", "api/v1/status", "metrics", "tcp/lab/ssh"],
  endpoint: ["healthz", "tcp/lab/ssh", "login"],
  unknown: ["healthz"],
};

test("the edge's own host carries its API, others their logins, and strangers' nothing", async () => {
  await using edge = await testEdge();
  await edge.ok("site", "add", "lab");
  await edge.ok("map", "add", "http://app.localhost:8787", "lab", "http://127.0.0.1:9");
  const hosts = {
    control: new URL(edge.url).host,
    address: "192.0.2.1:8787",
    endpoint: "app.localhost:8787",
    unknown: "evil.example",
  };
  for (const [kind, host] of Object.entries(hosts)) {
    const served: string[] = [];
    for (const path of PATHS) if ((await status(edge, host, path)) !== 404) served.push(path);
    expect({ kind, served }).toEqual({ kind, served: SERVED[kind] });
  }
  // The way to the dashboard is from the edge's own host alone.
  for (const [kind, host] of Object.entries(hosts)) {
    const { status: code, headers } = await requestFrom(loopback(), "GET", `${edge.url}/`, { host });
    expect({ kind, code, location: headers["location"] }).toEqual(
      kind === "control"
        ? { kind, code: 302, location: "/.sallyport/" }
        : { kind, code: kind === "endpoint" ? 503 : 404, location: undefined },
    );
  }
  // No target is ever mapped where an administrator's cookie could be.
  const { code, stderr } = await edge.cli(["map", "add", edge.url, "lab", "http://127.0.0.1:9"]);
  expect({ code, stderr }).toEqual({ code: 3, stderr: expect.stringMatching(/control-host[^]*--share-control-host/) });
});

test("--share-control-host allows mappings on the edge's own host, where there are no cookies then", async () => {
  await using edge = await testEdge({}, "--share-control-host");
  await edge.ok("site", "add", "lab");
  await edge.ok("map", "add", edge.url, "lab", "http://127.0.0.1:9", "--access", "token");
  const { host } = new URL(edge.url);
  expect(await status(edge, host, "login")).toBe(404);
  expect(await status(edge, host, "jwks.json")).toBe(200);
  expect(await status(edge, host, "api/v1/status")).toBe(401);
  const answer = await requestFrom("127.0.0.1", "GET", `${edge.url}/`, { accept: "text/html" });
  expect({ ...answer, headers: answer.headers["www-authenticate"] }).toMatchObject({
    status: 401,
    headers: expect.stringContaining("Bearer"),
  });
  // It asks for no password that a page of a target could read.
  expect(answer.body).not.toContain("<form");
});

test("without a secret nothing works but the question whether it runs", async () => {
  await using edge = await testEdge({ tcp: "8080" });
  await edge.ok("site", "add", "lab");
  await edge.ok("map", "add", "8080/tcp", "lab", "127.0.0.1:9");
  const token = await edge.ok("token", "admin");
  await edge.stop();
  const env = { ADMIN_SECRET: undefined };
  // What is shown of the configuration is all of it but the Worker.
  const shown = await readFile(join(edge.data, "run/config.capnp"), "utf8");
  const worker = quote(await readFile(join(ROOT, "dist/worker.js"), "utf8"));
  await writeFile(
    join(edge.data, "run/bare.capnp"),
    shown.replace(quote("(not shown)"), () => worker),
  );
  await using bare = run(join(ROOT, "node_modules/workerd/bin/workerd"), ["serve", "bare.capnp"], {
    cwd: join(edge.data, "run"),
    env,
  });
  await answering(edge, bare);
  for (const [path, method] of [
    ["", "GET"],
    ["x", "GET"],
    ...PATHS.map((each) => [`.sallyport/${each}`, "GET"]),
    [".sallyport/api/v1/login", "POST"],
  ] as [string, string][]) {
    if (path === ".sallyport/healthz") continue;
    const response = await fetch(`${edge.url}/${path}`, { method, headers: { authorization: `Bearer ${token}` } });
    expect({ path, status: response.status, body: await response.text() }).toMatchObject({
      path,
      status: 503,
      body: expect.stringContaining("no-admin-secret"),
    });
  }
  expect((await fetch(`${edge.url}/.sallyport/healthz`)).status).toBe(200);
});

/** Until it answers at all; a workerd that ends does not. */
async function answering(edge: TestEdge, workerd: Run): Promise<void> {
  const state = { isOver: false };
  void workerd.ended.then(() => (state.isOver = true));
  while (
    !state.isOver &&
    !(await fetch(`${edge.url}/.sallyport/healthz`).then(
      ({ ok }) => ok,
      () => false,
    ))
  );
  expect({ ...state, said: workerd.stderr }).toMatchObject({ isOver: false });
}

async function status(edge: TestEdge, host: string, path: string): Promise<number> {
  return (await requestFrom(loopback(), "GET", `${edge.url}/.sallyport/${path}`, { host })).status;
}
