import { once } from "node:events";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { expect, test } from "vitest";
import { digest, noise } from "../support/bytes.ts";
import { askHttp, httpOrigin } from "../support/http.ts";
import { testSite, type TestSite } from "../support/site.ts";

const HOST = "shop.localhost";
const GIB = 1024 * 1024 * 1024;
const SILENCE_MS = 5 * 60_000;

test("ten GiB down and ten GiB up through a host arrive byte for byte", async () => {
  await using site = await testSite();
  await using origin = await httpOrigin((request, response) => {
    if (request.method === "GET") noise(10 * GIB).pipe(response.setHeader("content-length", 10 * GIB));
    else void digest(request).then(({ sha256 }) => response.end(sha256));
  });
  await site.map(`http://${HOST}`, origin.url);
  const expected = await digest(noise(10 * GIB));
  const down = await began(site, "GET");
  down.request.end();
  expect(await digest(await down.response)).toEqual(expected);
  const up = await began(site, "PUT");
  noise(10 * GIB).pipe(up.request);
  let told = "";
  for await (const part of await up.response) told += String(part);
  expect(told).toBe(expected.sha256);
});

test("an event stream goes on after five minutes of silence, and so does a poll of five minutes", async () => {
  await using site = await testSite();
  await using origin = await httpOrigin((request, response) => {
    if (request.url === "/events")
      response.writeHead(200, { "content-type": "text/event-stream" }).write("data: one\n\n");
    setTimeout(() => response.end("data: two\n\n"), SILENCE_MS);
  });
  await site.map(`http://${HOST}`, origin.url);
  const [events, poll] = await Promise.all(["/events", "/poll"].map((path) => askHttp(site.edge.url, HOST, { path })));
  expect({ text: String(events?.body), whole: events?.whole }).toEqual({
    text: "data: one\n\ndata: two\n\n",
    whole: true,
  });
  expect({ text: String(poll?.body), whole: poll?.whole }).toEqual({ text: "data: two\n\n", whole: true });
});

test("a visitor whose body stops coming is told so after a minute (408), unless it has been answered by then", async () => {
  await using site = await testSite();
  await using origin = await httpOrigin((request, response) => {
    request.on("error", () => undefined).resume();
    if (request.url === "/answered") response.writeHead(200).write("I listen");
  });
  await site.map(`http://${HOST}`, origin.url);
  const stalled = await began(site, "PUT", "/stalled");
  const answered = await began(site, "PUT", "/answered");
  for (const { request } of [stalled, answered]) request.write("hello");
  const early = await answered.response;
  expect((await stalled.response).statusCode).toBe(408);
  expect({ status: early.statusCode, over: early.complete }).toEqual({ status: 200, over: false });
  for (const { request } of [stalled, answered]) request.destroy();
});

async function began(site: TestSite, method: string, path = "/") {
  const { hostname, port } = new URL(site.edge.url);
  const request = httpRequest({
    host: hostname,
    port,
    method,
    path,
    agent: false,
    headers: { host: `${HOST}:${port}` },
  });
  request.on("error", () => undefined);
  const response = once(request, "response").then(([first]) => (first as IncomingMessage).on("error", () => undefined));
  return { request, response };
}
