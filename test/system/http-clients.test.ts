import type { Socket } from "node:net";
import { setTimeout } from "node:timers/promises";
import { expect, test } from "vitest";
import { needs } from "../support/debian.ts";
import { askHttp, httpOrigin, rawTarget, type Answer } from "../support/http.ts";
import { nginx } from "../support/nginx.ts";
import { execute, run } from "../support/run.ts";
import { testSite, type TestSite } from "../support/site.ts";
import { webdav } from "../support/webdav.ts";

// Other people's programs at a host of the edge. Those that need a server of their own kind bring it.

const HOST = "files.localhost";
/** An event stream's silence here: longer than any timer of a connection that is not in use. */
const SILENCE_MS = 45_000;

function curl(site: TestSite, ...words: string[]) {
  return execute("curl", [
    "--silent",
    "--show-error",
    "--max-time",
    "60",
    "--resolve",
    `${HOST}:8787:${site.edge.host}`,
    ...words,
  ]);
}

const end = (socket: Socket): void => void socket.end();
const reset = (socket: Socket): void => void socket.resetAndDestroy();

/** What a target says and how it breaks off; curl must fail each time. */
const CUTS: [string, string, (socket: Socket) => void][] = [
  ["short of its length", "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", end],
  ["short of its length, with a reset", "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", reset],
  ["chunks without an end", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1388\r\n", end],
  ["chunks without an end, with a reset", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1388\r\n", reset],
  ["HTTP/1.0 with a reset", "HTTP/1.0 200 OK\r\n\r\n", reset],
];

test("curl fails on every body that is cut (18 or 56), and never takes a part for the whole", async (context) => {
  await needs(context, "curl");
  await using site = await testSite();
  await using target = await rawTarget();
  await site.map(`http://${HOST}`, `http://${target.host}:${target.port}`);
  for (const [what, head, ending] of CUTS) {
    target.answer = (socket) =>
      void socket.write(`${head}${"x".repeat(5000)}`, () => void setTimeout(100).then(() => ending(socket)));
    const { code, stdout } = await curl(site, `http://${HOST}:8787/`);
    expect({ what, code, bytes: stdout.length }).toMatchObject({
      what,
      code: expect.toBeOneOf([18, 56]) as unknown,
      bytes: 5000,
    });
  }
  target.answer = `HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello`;
  expect(await curl(site, `http://${HOST}:8787/`)).toMatchObject({ code: 0, stdout: "hello" });
});

test("h2load over HTTP/1.1: not one request fails", async (context) => {
  await needs(context, "nghttp2-client", "nginx-light");
  await using site = await testSite();
  await using server = await nginx({ small: 1024 });
  await site.map(`http://${HOST}`, `http://${server.address}`);
  const { host } = site.edge;
  const load = await execute("h2load", [
    ...["--h1", "-n", "2000", "-c", "20", `--connect-to=${host}:8787`],
    `http://${HOST}:8787/small`,
  ]);
  expect(load.stdout).toMatch(
    /requests: 2000 total, 2000 started, 2000 done, 2000 succeeded, 0 failed, 0 errored, 0 timeout/,
  );
  expect(load.stdout).toMatch(/status codes: 2000 2xx/);
});

/** Slow heads, bodies and reads, and how many of 200 visitors get as far as the target. */
const SLOW: [string, string[], number][] = [
  ["heads", ["-H"], 0],
  ["bodies", ["-B"], 150],
  ["reads", ["-X", "-w", "10", "-y", "20", "-z", "5", "-n", "2"], 150],
];

test("slow visitors don't keep others out", async (context) => {
  await needs(context, "slowhttptest");
  await using site = await testSite();
  const slow = { asked: 0 };
  await using origin = await httpOrigin((request, response) => {
    if (request.url === "/slow") slow.asked += 1;
    request.on("error", () => undefined).resume();
    request.on("end", () => response.end("x".repeat(200_000)));
  });
  await site.map(`http://${HOST}`, origin.url);
  const at = `${site.edge.host}:8787`;
  for (const [what, mode, least] of SLOW) {
    slow.asked = 0;
    // As to a proxy, or it would look the name up.
    const words = [...mode, "-c", "200", "-r", "100", "-i", "2", "-l", "8", "-d", at, "-u", `http://${HOST}:8787/slow`];
    await using attack = run("slowhttptest", words);
    for (let round = 0; round < 5; round += 1) {
      const { status, whole } = await askHttp(site.edge.url, HOST);
      expect({ what, status, whole }).toEqual({ what, status: 200, whole: true });
      await setTimeout(1_000);
    }
    const { stdout } = await attack.ended;
    expect(stdout).toMatch(/Hit test time limit|No open connections left/);
    expect({ what, asked: slow.asked >= least }).toEqual({ what, asked: true });
  }
});

test("WebDAV: PROPFIND, PUT, MOVE, COPY, LOCK and UNLOCK of Apache, by curl and cadaver", async (context) => {
  await needs(context, "apache2", "cadaver", "curl");
  await using site = await testSite();
  await using server = await webdav();
  await site.map(`http://${HOST}`, `http://${server.address}`);
  const base = `http://${HOST}:8787`;
  const dav = async (method: string, path: string, ...words: string[]) => {
    const { stdout } = await curl(site, "-i", "-X", method, ...words, `${base}${path}`);
    return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(stdout)?.[1]), text: stdout };
  };
  expect((await dav("MKCOL", "/folder")).status).toBe(201);
  expect((await dav("PUT", "/folder/a", "-d", "hello")).status).toBe(201);
  const listed = await dav("PROPFIND", "/folder/", "-H", "Depth: 1");
  expect(listed.status).toBe(207);
  expect(listed.text).toMatch(/<D:href>\/folder\/a<\/D:href>/);
  expect((await dav("MOVE", "/folder/a", "-H", `Destination: ${base}/folder/b`)).status).toBe(201);
  expect((await dav("COPY", "/folder/b", "-H", `Destination: ${base}/folder/c`)).status).toBe(201);
  const info = `<?xml version="1.0"?><D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype><D:owner>ann</D:owner></D:lockinfo>`;
  const locked = await dav("LOCK", "/folder/b", "-d", info);
  expect(locked.status).toBe(200);
  const token = /Lock-Token: (<[^>]+>)/i.exec(locked.text)?.[1] ?? "";
  expect((await dav("PUT", "/folder/b", "-d", "mine")).status).toBe(423);
  expect((await dav("PUT", "/folder/b", "-d", "mine", "-H", `If: (${token})`)).status).toBe(204);
  expect((await dav("UNLOCK", "/folder/b", "-H", `Lock-Token: ${token}`)).status).toBe(204);
  expect((await dav("GET", "/folder/b")).text).toMatch(/\r\n\r\nmine$/);
  // As to a proxy, or it would look the name up.
  const session = await execute("cadaver", ["-p", `${site.edge.host}:8787`, `${base}/`], {
    input: "cd folder\nput /etc/hostname d\nmove d e\nls\nquit\n",
  });
  expect(session.stdout).toMatch(/^\s+e\s+\d+/m);
});

/** What nginx is asked, directly and through the edge. */
const QUESTIONS: [string, Parameters<typeof askHttp>[2]][] = [
  ["a file", { path: "/small" }],
  ["HEAD", { method: "HEAD", path: "/small" }],
  ["a large file", { path: "/large" }],
  ["a range", { path: "/small", headers: { range: "bytes=100-199" } }],
  ["several ranges", { path: "/small", headers: { range: "bytes=0-9, 20-29" } }],
  ["a range beyond the end", { path: "/small", headers: { range: "bytes=5000-" } }],
  ["nothing new", { path: "/small", headers: { "if-modified-since": "Thu, 31 Dec 2099 00:00:00 GMT" } }],
  ["what is not there", { path: "/nowhere" }],
  ["the root", { path: "/" }],
  ["a method that is not allowed", { method: "POST", path: "/small", body: "x" }],
  ["OPTIONS", { method: "OPTIONS", path: "/small" }],
  ["escapes in the path", { path: "/sm%61ll?x=%00%zz" }],
];

test("nginx, asked directly or through the edge, says the same", async (context) => {
  await needs(context, "nginx-light");
  await using site = await testSite();
  await using server = await nginx({ small: 1024, large: 3_000_000 });
  await site.map(`http://${HOST}`, `http://${server.address}`);
  for (const [what, asking] of QUESTIONS) {
    const host = `${HOST}:8787`;
    const direct = told(
      await askHttp(`http://${server.address}`, HOST, { ...asking, headers: { ...asking?.headers, host } }),
    );
    const relayed = told(await askHttp(site.edge.url, HOST, asking));
    expect({ what, ...relayed }).toEqual({ what, ...direct });
  }
});

test("an event stream that is silent for most of a minute goes on, and so does a poll that long", async () => {
  await using site = await testSite();
  await using origin = await httpOrigin((request, response) => {
    if (request.url === "/poll") return void setTimeout(SILENCE_MS).then(() => response.end("news"));
    response.writeHead(200, { "content-type": "text/event-stream" }).write("data: one\n\n");
    return void setTimeout(SILENCE_MS).then(() => response.end("data: two\n\n"));
  });
  await site.map(`http://${HOST}`, origin.url);
  const [events, poll] = await Promise.all(["/events", "/poll"].map((path) => askHttp(site.edge.url, HOST, { path })));
  expect({ text: String(events?.body), whole: events?.whole }).toEqual({
    text: "data: one\n\ndata: two\n\n",
    whole: true,
  });
  expect({ text: String(poll?.body), status: poll?.status }).toEqual({ text: "news", status: 200 });
});

/** What somebody got, but for what belongs to a connection, or to a moment. */
function told({ status, reason, headers, body, whole }: Answer) {
  const { connection: _connection, "keep-alive": _keep, "transfer-encoding": _framing, date: _date, ...kept } = headers;
  // A boundary of multipart/byteranges is new each time; 304 loses its length (docs/http.md).
  const boundary = /boundary=(\w+)/.exec(String(kept["content-type"]))?.[1] ?? "\n\n";
  const text = body.toString("latin1").replaceAll(boundary, "BOUNDARY");
  if (boundary !== "\n\n") kept["content-type"] = "multipart";
  return { status, reason, headers: kept, text, whole };
}
