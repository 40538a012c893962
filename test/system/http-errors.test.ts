import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { expect, test } from "vitest";
import type { ConnectionView } from "../../shared/rule/api.ts";
import { askHttp, httpOrigin, rawTarget, type Answer } from "../support/http.ts";
import { loopback } from "../support/net.ts";
import { testSite } from "../support/site.ts";

const ID = /^[0-9a-f]{10}$/;

/** What a program or a browser asks for, and what an error then looks like. */
const FORMS: [string | undefined, string, RegExp][] = [
  ["text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8", /^<!doctype html>[^]*<h1>/],
  ["application/json", "application/problem+json", /^\{"type":"about:blank","status":502/],
  ["application/problem+json, */*", "application/problem+json", /"code":"target-refused"/],
  ["*/*", "text/plain; charset=utf-8", /^The service is not running: .* \[target-refused, request [0-9a-f]{10}\]\n$/],
  [undefined, "text/plain; charset=utf-8", /^The service is not running: /],
];

test("an error is a page, JSON or a line of text, as is asked for, with an id that is in the log", async () => {
  await using site = await testSite();
  await site.map("http://off.localhost", `http://${loopback()}:9`);
  const ids: string[] = [];
  for (const [accept, type, text] of FORMS) {
    const got = await askHttp(site.edge.url, "off.localhost", { headers: accept === undefined ? {} : { accept } });
    const id = String(got.headers["x-sallyport-request"]);
    expect({ accept, ...told(got) }).toMatchObject({
      accept,
      status: 502,
      type,
      retry: "10",
      cache: "no-store",
      body: expect.stringMatching(text) as unknown,
    });
    expect(id).toMatch(ID);
    expect(got.body.toString()).toContain(id);
    ids.push(id);
  }
  expect(await askHttp(site.edge.url, "off.localhost", { method: "HEAD" })).toMatchObject({ status: 502 });
  let log: ConnectionView[] = [];
  while (log.length <= FORMS.length) log = await site.edge.json<ConnectionView[]>("log");
  for (const id of ids) expect(log.filter(({ reason }) => reason.includes(id)).length).toBe(1);
});

test("what is too long or too large is refused at the edge, whatever the target would take", async () => {
  await using site = await testSite();
  await using target = await rawTarget();
  await site.map("http://app.localhost", `http://${target.host}:${target.port}`);
  const many = Object.fromEntries(Array.from({ length: 201 }, (_, nth) => [`x-${nth}`, "1"]));
  for (const [what, asking, status, code] of [
    ["a path of 17 KiB", { path: `/${"p".repeat(17 * 1024)}` }, 414, "path-too-long"],
    ["a query of 17 KiB", { path: `/?${"p".repeat(17 * 1024)}` }, 414, "path-too-long"],
    ["a header of 32 KiB", { headers: { "x-large": "x".repeat(32 * 1024) } }, 431, "head-too-large"],
    ["201 headers", { headers: many }, 431, "head-too-large"],
  ] as const) {
    const got = await askHttp(site.edge.url, "app.localhost", asking);
    expect({ what, ...told(got) }).toMatchObject({ what, status, body: expect.stringContaining(code) as unknown });
  }
  expect(target.received).toEqual([]);
  for (const asking of [{ path: `/${"p".repeat(15 * 1024)}` }, { headers: { "x-large": "x".repeat(15 * 1024) } }])
    expect((await askHttp(site.edge.url, "app.localhost", asking)).status).toBe(200);
});

test("a target that does not answer the handshake is given up: 504, and others meanwhile are served", async () => {
  await using site = await testSite();
  await using silent = await silentServer();
  await using origin = await httpOrigin((_request, response) => response.end("ok"));
  await site.map("http://silent.localhost", `https://${silent.host}:${silent.port}`, "--no-tls-verify");
  await site.map("http://app.localhost", origin.url);
  const waiting = askHttp(site.edge.url, "silent.localhost");
  expect((await askHttp(site.edge.url, "app.localhost")).body.toString()).toBe("ok");
  const got = await waiting;
  expect(told(got)).toMatchObject({
    status: 504,
    retry: "10",
    body: expect.stringContaining("target-timeout") as unknown,
  });
  expect(got.body.toString()).not.toContain(silent.host);
});

test("an offline site says so, and since when; one that was never online does, too", async () => {
  await using site = await testSite();
  await site.map("http://app.localhost", "http://127.0.0.1:9");
  await site.edge.ok("site", "add", "new");
  await site.edge.ok("map", "add", "http://new.localhost", "new", "http://127.0.0.1:9");
  const fresh = await askHttp(site.edge.url, "new.localhost");
  expect(told(fresh)).toMatchObject({ status: 503, retry: "10", body: expect.stringContaining("no-agent") as unknown });
  const before = Date.now();
  site.agent.kill("SIGTERM");
  await site.agent.ended;
  let offline = await askHttp(site.edge.url, "app.localhost", { headers: { accept: "text/html" } });
  // It may be asked a moment before its connection is seen to have gone.
  while (offline.status !== 503)
    offline = await askHttp(site.edge.url, "app.localhost", { headers: { accept: "text/html" } });
  expect(told(offline)).toMatchObject({ status: 503, retry: "10" });
  const [, since = ""] = /Last seen ([\d-]+ [\d:]+) UTC/.exec(offline.body.toString()) ?? [];
  expect(Date.parse(`${since}Z`)).toBeGreaterThanOrEqual(before - 1_000);
  expect(Date.parse(`${since}Z`)).toBeLessThanOrEqual(Date.now());
});

function told({ status, headers, body }: Answer) {
  return {
    status,
    type: headers["content-type"],
    retry: headers["retry-after"],
    cache: headers["cache-control"],
    body: body.toString(),
  };
}

/** Takes connections and never says a word. */
async function silentServer() {
  const sockets = new Set<Socket>();
  const host = loopback();
  const server = createServer((socket) => {
    sockets.add(socket.on("error", () => undefined));
  }).listen(0, host);
  await once(server, "listening");
  return {
    host,
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** What can't be decoded, parsed or found, behind any of the edge's own paths. */
const ODD = ["%zz", "%", "%00", "%c0%af", "..%2f..", "%u0041", "%E2%82", "a%/b", "\\..\\", "?a=%zz&%", "%zz?site=%zz"];

test("whatever stands behind the edge's own paths, it is no fault of the edge's, and costs no line in its log", async () => {
  await using site = await testSite();
  const { edge } = site;
  await site.map("http://mapped.localhost", "http://127.0.0.1:9");
  const before = edge.serve.stderr.length + edge.serve.stdout.length;
  const asked: Record<string, string>[] = [{}, { authorization: `Bearer ${edge.adminToken}` }];
  const own = ["", "assets/", "healthz", "readyz", "jwks.json", "agent", "connect", "api/v1/", "api/v1/mappings/"];
  const more = ["api/v1/sites/", "api/v1/tokens/", "api/v1/grants/", "metrics", "grant/", "tcp/", "login", "other/"];
  for (const path of [...own, ...more])
    for (const odd of ODD)
      for (const host of [edge.host, "mapped.localhost"])
        for (const headers of asked) {
          const whole = `/.sallyport/${path}${odd}`;
          const { status } = await askHttp(edge.url, host, { path: whole, headers });
          expect({ whole, host, status, isFault: status >= 500 || status < 200 }).toMatchObject({ isFault: false });
        }
  expect(edge.serve.stderr.length + edge.serve.stdout.length).toBe(before);
});
