import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import WebSocket from "ws";
import type { ConnectionView } from "../../shared/rule/api.ts";
import { askHttp, httpOrigin } from "../support/http.ts";
import { HandMade } from "../support/hand-made.ts";
import { exchange } from "../support/lan.ts";
import { loopback } from "../support/net.ts";
import { tcpServer } from "../support/peers.ts";
import { listeningAt, testSite, type TestSite } from "../support/site.ts";

const HOST = "door.localhost";
const HTML = { accept: "text/html", "content-type": "application/x-www-form-urlencoded" };

test("a visitor's token opens what was mapped when it was issued, and not what is mapped there later, by any way in", async () => {
  await using site = await testSite();
  const { edge } = site;
  await using echo = await tcpServer(loopback());
  await using other = await tcpServer(loopback(), 0, (socket) => void socket.end("the other one"));
  await using origin = await httpOrigin((_, response) => response.end("mine"));
  await using strange = await httpOrigin((_, response) => response.end("strange"));
  const targets = { first: { tcp: echo, http: origin.url }, second: { tcp: other, http: strange.url } };
  const endpoints = ["23102/tcp", "lab/door", `http://${HOST}`];
  const mapped = async ({ tcp, http }: { tcp: { host: string; port: number }; http: string }): Promise<void> => {
    for (const endpoint of endpoints)
      await site.map(endpoint, endpoint.startsWith("http") ? http : `${tcp.host}:${tcp.port}`, "--access", "token");
  };
  await mapped(targets.first);
  const named = await site.token("visitor", ...endpoints.flatMap((endpoint) => ["--endpoint", endpoint]));
  const wide = await site.token(
    "visitor",
    "--endpoint",
    "23000-23999/tcp",
    "--endpoint",
    "lab/*",
    "--endpoint",
    "http://*.localhost",
  );
  const client = await site.connect(named, "23102/tcp=0", "lab/door=0");
  const local = await Promise.all(["23102/tcp", "lab/door"].map((endpoint) => listeningAt(client, endpoint)));
  // What is refused is reset.
  const said = () => Promise.all(local.map(({ host, port }) => exchange(host, port, "hello").catch(() => "")));
  const cookies = { named: await logIn(site, named), wide: await logIn(site, wide) };
  const passes = { named: await rawCookie(site, named), wide: await rawCookie(site, wide) };
  const token = (await readFile(named, "utf8")).trim();
  await using hand = await new HandMade({ url: edge.url, token, kind: "client" }).join();
  expect(await hand.open(1, "lab/door")).toBe("open");
  expect(await said()).toEqual(["hello", "hello"]);
  expect(await doors(site, named, cookies.named, passes.named)).toEqual(OPEN);

  for (const endpoint of endpoints) await edge.ok("map", "rm", endpoint);
  await mapped(targets.second);
  // The mapping that is there now is another one: neither its name in the token nor what was logged in with it opens it.
  expect(await said()).toEqual(["", ""]);
  expect(await doors(site, named, cookies.named, passes.named)).toEqual(SHUT);
  for (const [at, endpoint] of ["23102/tcp", "lab/door"].entries())
    expect(await hand.open(at + 2, endpoint)).toBe("denied");
  const refused = (await edge.json<ConnectionView[]>("log")).filter(({ code }) => code === "denied");
  expect(refused.map(({ reason }) => reason)).toContain("the token was issued for what was mapped to 23102/tcp before");
  await using late = new HandMade({ url: edge.url, token, kind: "client" });
  expect(await late.closed).toBe(403);
  expect(await edge.cli(["connect", "lab/door=0", "--token-file", named])).not.toMatchObject({ code: 0 });

  const edited = await edge.cli(["map", "edit", "23102/tcp", "--note", "another one"]);
  expect(edited.stderr).toContain("warning: Tokens issued for an earlier mapping of 23102/tcp do not open this one");

  // Whatever is mapped is what the wide one means, and a new one is for what is there now.
  expect(await doors(site, wide, await logIn(site, wide), await rawCookie(site, wide))).toEqual(OPEN);
  const again = await site.token("visitor", ...endpoints.flatMap((endpoint) => ["--endpoint", endpoint]));
  expect(await doors(site, again, await logIn(site, again), await rawCookie(site, again))).toEqual(OPEN);
});

const OPEN = { bearer: 200, cookie: 200, port: 101, service: 101, page: 101, listed: 3 };
const SHUT = { bearer: 401, cookie: 401, port: 403, service: 403, page: 403, listed: 0 };

/** What each way in answers to a token, to a login made with it, and to a page's cookie: HTTP statuses, and how much is listed. */
async function doors(site: TestSite, file: string, cookie: string, pass: string): Promise<typeof OPEN> {
  const { url } = site.edge;
  const headers = { authorization: `Bearer ${(await readFile(file, "utf8")).trim()}` };
  const listing = (await (await fetch(`${url}/.sallyport/connect`, { headers })).json()) as {
    sites: { endpoints: unknown[] }[];
  };
  return {
    bearer: (await askHttp(url, HOST, { headers })).status,
    cookie: (await askHttp(url, HOST, { headers: { cookie } })).status,
    port: await raw(site, "23102/tcp", headers),
    service: await raw(site, "lab/door", headers),
    page: await raw(site, "lab/door", { cookie: pass, origin: url }),
    listed: listing.sites.flatMap(({ endpoints }) => endpoints).length,
  };
}

/** The status that a byte stream is answered with as a WebSocket. */
async function raw(site: TestSite, endpoint: string, headers: Record<string, string>): Promise<number> {
  const socket = new WebSocket(`${site.edge.url.replace("http", "ws")}/.sallyport/tcp/${endpoint}`, { headers });
  socket.on("error", () => undefined);
  const opened = once(socket, "open").then(() => 101);
  const refused = once(socket, "unexpected-response").then(([, { statusCode }]) => (statusCode as number) ?? 0);
  const status = await Promise.race([opened, refused]);
  socket.terminate();
  return status;
}

async function logIn(site: TestSite, file: string): Promise<string> {
  const body = new URLSearchParams({ token: await readFile(file, "utf8"), to: "/" }).toString();
  const origin = `http://${HOST}:8787`;
  const path = "/.sallyport/login";
  const done = await askHttp(site.edge.url, HOST, { method: "POST", path, headers: { ...HTML, origin }, body });
  expect(done.status).toBe(303);
  return (done.headers["set-cookie"]?.[0] ?? "").split(";")[0] ?? "";
}

async function rawCookie(site: TestSite, file: string): Promise<string> {
  const headers = { authorization: `Bearer ${(await readFile(file, "utf8")).trim()}` };
  const answer = await fetch(`${site.edge.url}/.sallyport/tcp/lab/door`, { method: "POST", headers });
  expect(answer.status).toBe(204);
  return (answer.headers.get("set-cookie") ?? "").split(";")[0] ?? "";
}
