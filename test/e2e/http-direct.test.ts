import { createHash } from "node:crypto";
import type { IncomingMessage, RequestListener } from "node:http";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { digest } from "../support/bytes.ts";
import { askHttp, httpOrigin, type Answer, type Asking } from "../support/http.ts";
import { testSite } from "../support/site.ts";

// The same questions, asked of an origin directly and through the edge: what differs is what docs/http.md says, and no more.

const HOST = "shop.localhost";
const TEXT = "The quick brown fox jumps over the lazy dog.\n".repeat(3000);

/** Of a hop: each connection has its own. */
const OF_THE_HOP = ["connection", "keep-alive", "transfer-encoding", "date"];

/** What a target is told beside what the visitor sent. */
const TOLD = [
  "x-forwarded-for",
  "x-forwarded-proto",
  "x-forwarded-host",
  "x-forwarded-port",
  "x-real-ip",
  "forwarded",
  "x-sallyport-via",
];

const serve: RequestListener = (request, response) => {
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://x");
  void digest(request).then(({ bytes, sha256 }) => {
    response.setHeader("X-Asked", JSON.stringify(asked(request, bytes, sha256)));
    const answer = ANSWERS[pathname];
    if (answer === undefined) return response.writeHead(404, "Nothing Here").end();
    return answer(response, searchParams);
  });
};

const ANSWERS: Record<string, (response: Parameters<RequestListener>[1], query: URLSearchParams) => unknown> = {
  "/text": (response) =>
    response.writeHead(200, { "content-type": "text/plain", "content-length": TEXT.length }).end(TEXT),
  "/chunks": (response) => {
    response.write(TEXT.slice(0, 10));
    response.write(TEXT.slice(10, 70_000));
    response.end(TEXT.slice(70_000));
  },
  "/empty": (response) => response.writeHead(200, { "content-length": 0 }).end(),
  "/zip": (response) =>
    response.writeHead(200, { "content-encoding": "gzip", vary: "accept-encoding" }).end(gzipSync(TEXT)),
  "/range": (response) =>
    response
      .writeHead(206, { "content-range": "bytes 0-9/100", "content-length": 10, etag: '"a"' })
      .end(TEXT.slice(0, 10)),
  "/status": (response, query) => response.writeHead(Number(query.get("is")), { etag: 'W/"x"' }).end(),
  "/redirect": (response) => response.writeHead(302, { location: "/elsewhere?a=b#c" }).end("gone"),
  "/cookies": (response) =>
    response
      .writeHead(
        200,
        [
          ["Set-Cookie", "a=1; Path=/; HttpOnly"],
          ["Set-Cookie", "b=2; Max-Age=5"],
          ["X-A", "1"],
          ["X-A", "2"],
        ].flat(),
      )
      .end("ok"),
  "/caching": (response) =>
    response
      .writeHead(200, {
        "cache-control": "public, max-age=60",
        age: "12",
        expires: "Thu, 01 Jan 2037 00:00:00 GMT",
        "last-modified": "Thu, 01 Jan 2015 00:00:00 GMT",
        server: "origin/1",
        via: "1.1 inner",
        "www-authenticate": 'Basic realm="x"',
        "access-control-allow-origin": "*",
        "strict-transport-security": "max-age=1",
        "content-disposition": `attachment; filename*=UTF-8''%e2%82%ac.txt`,
      })
      .end("ok"),
};

const QUESTIONS: [string, Asking][] = [
  ["a page", { path: "/text" }],
  ["chunks", { path: "/chunks" }],
  ["nothing", { path: "/empty" }],
  ["gzip", { path: "/zip", headers: { "accept-encoding": "gzip, br" } }],
  ["gzip, not asked for", { path: "/zip" }],
  ["a range", { path: "/range", headers: { range: "bytes=0-9", "if-range": '"a"' } }],
  ["HEAD", { method: "HEAD", path: "/text" }],
  ["HEAD of chunks", { method: "HEAD", path: "/chunks" }],
  ["HEAD of nothing here", { method: "HEAD", path: "/nowhere" }],
  ["what is not there", { path: "/nowhere" }],
  ["a redirect", { path: "/redirect" }],
  ["cookies", { path: "/cookies", headers: { cookie: "a=1; b=2" } }],
  ["caching and other headers", { path: "/caching" }],
  [
    "a form",
    {
      method: "POST",
      path: "/text",
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: "a=1&b=2",
    },
  ],
  ["an upload in chunks", { method: "PUT", path: "/text", headers: { "transfer-encoding": "chunked" }, body: TEXT }],
  ["an upload of no bytes", { method: "POST", path: "/text", headers: { "content-length": "0" } }],
  ["PATCH", { method: "PATCH", path: "/text", body: "{}" }],
  ["DELETE with a body", { method: "DELETE", path: "/text", headers: { "content-length": "3" }, body: "why" }],
  ["DELETE", { method: "DELETE", path: "/text" }],
  [
    "OPTIONS",
    {
      method: "OPTIONS",
      path: "/text",
      headers: { origin: "https://a.example", "access-control-request-method": "PUT" },
    },
  ],
  ["PROPFIND", { method: "PROPFIND", path: "/text", headers: { depth: "1" }, body: "<x/>" }],
  [
    "a browser's headers",
    {
      path: "/text?q=%C3%A9&r=a+b&&=%",
      headers: {
        accept: "text/html;q=0.9, */*;q=0.1",
        "accept-language": "de, en;q=0.5",
        authorization: "Basic YTpi",
        "cache-control": "no-cache",
        dnt: "1",
        "if-modified-since": "Thu, 01 Jan 2015 00:00:00 GMT",
        "if-none-match": '"a", W/"b"',
        origin: "https://a.example",
        referer: "https://a.example/x?y",
        "sec-fetch-mode": "navigate",
        "upgrade-insecure-requests": "1",
        "user-agent": Buffer.from("Test/1.0 (é)").toString("latin1"),
        "x-requested-with": "XMLHttpRequest",
        x_under: "score",
      },
    },
  ],
  ...[
    200, 201, 202, 203, 204, 205, 207, 226, 300, 301, 303, 304, 307, 308, 400, 401, 402, 403, 405, 409, 410, 416, 418,
    422, 429, 451,
  ]
    .concat([500, 501, 502, 503, 504, 507, 511, 599])
    .map((status): [string, Asking] => [`status ${status}`, { path: `/status?is=${status}` }]),
];

test("asked directly or through the edge, an origin hears the same and says the same, but for what is documented", async () => {
  await using site = await testSite();
  await using origin = await httpOrigin(serve);
  await site.map(`http://${HOST}`, origin.url);
  for (const [what, asking] of QUESTIONS) {
    const host = `${HOST}:8787`;
    const direct = answered(await askHttp(origin.url, HOST, { ...asking, headers: { ...asking.headers, host } }));
    const relayed = answered(await askHttp(site.edge.url, HOST, asking));
    // A short body without a length may get one, and 304 loses its own.
    for (const side of [direct, relayed]) if (side.status !== 206) delete side.headers["content-length"];
    expect({ what, ...relayed }).toEqual({ what, ...direct });
  }
});

test("lengths that are said are passed on, and what the target is told besides is what is documented", async () => {
  await using site = await testSite();
  const names = new Set<string>();
  await using origin = await httpOrigin((request, response) => {
    for (const name of Object.keys(request.headers)) names.add(name);
    response.writeHead(200, { "content-length": 2 }).end(request.method === "HEAD" ? undefined : "ok");
  });
  await site.map(`http://${HOST}`, origin.url);
  for (const method of ["GET", "HEAD"]) {
    expect(await askHttp(site.edge.url, HOST, { method })).toMatchObject({
      status: 200,
      headers: { "content-length": "2" },
    });
  }
  expect(names).toEqual(new Set(["host", "connection", ...TOLD]));
});

/** What the target heard, as far as it is the visitor's to say. */
function asked({ method, url, rawHeaders }: IncomingMessage, bytes: number, sha256: string) {
  const headers: Record<string, string> = {};
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = (rawHeaders[at] ?? "").toLowerCase();
    if (![...OF_THE_HOP, ...TOLD].includes(name))
      headers[name] = Buffer.from(rawHeaders[at + 1] ?? "", "latin1").toString("base64url");
  }
  // Sorted: the order of names may change.
  return { method, url, headers: Object.entries(headers).toSorted(([a], [b]) => (a < b ? -1 : 1)), bytes, sha256 };
}

/** What a visitor got, but for what belongs to its own connection. */
function answered({ status, reason, headers, body, whole }: Answer) {
  const kept: Record<string, unknown> = { ...headers };
  for (const name of OF_THE_HOP) delete kept[name];
  return {
    status,
    reason,
    headers: kept,
    bytes: body.length,
    sha256: createHash("sha256").update(body).digest("hex"),
    whole,
  };
}
