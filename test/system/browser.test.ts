import { once } from "node:events";
import { open, stat } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { WebSocketServer } from "ws";
import { chromium } from "../support/chromium.ts";
import { needs } from "../support/debian.ts";
import { httpOrigin } from "../support/http.ts";
import { execute } from "../support/run.ts";
import { testSite } from "../support/site.ts";
import { tempDir } from "../support/temp-dir.ts";

const HOST = "shop.test";
const PARTS = 200;

/** A page with 200 images, each of its own address. */
const PAGE = `<!doctype html><title>shop</title>${Array.from({ length: PARTS }, (_, nth) => `<img src="/part/${nth}.svg">`).join("")}`;
const IMAGE = `<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"><!--${"x".repeat(2000)}--></svg>`;

test("Chromium loads a page with 200 sub-resources, and none of them fails", async (context) => {
  await needs(context, "chromium");
  await using site = await testSite();
  const asked = new Set<string>();
  await using origin = await httpOrigin((request, response) => {
    const { url = "" } = request;
    if (url === "/") return void response.setHeader("content-type", "text/html").end(PAGE);
    if (!url.startsWith("/part/")) return void response.writeHead(404).end();
    asked.add(url);
    return void response.setHeader("content-type", "image/svg+xml").end(IMAGE);
  });
  await site.map(`http://${HOST}`, origin.url);
  await using browser = await chromium({ [HOST]: site.edge.host });
  const page = await browser.context.newPage();
  await page.goto(`http://${HOST}:8787/`, { waitUntil: "load" });
  expect(await page.evaluate(`[...document.images].filter((each) => each.naturalWidth === 4).length`)).toBe(PARTS);
  expect(asked.size).toBe(PARTS);
});

test("Chromium plays a video and seeks in it: only what it asks for is sent", async (context) => {
  await needs(context, "chromium", "ffmpeg");
  await using folder = await tempDir();
  const file = join(folder.path, "film.mp4");
  // Noise, so that it is large enough not to be fetched whole at once.
  const source = [
    "-f",
    "rawvideo",
    "-pix_fmt",
    "yuv420p",
    "-s",
    "320x180",
    "-r",
    "10",
    "-t",
    "30",
    "-i",
    "/dev/urandom",
  ];
  const codec = ["-c:v", "libx264", "-preset", "ultrafast", "-qp", "20", "-g", "20", "-movflags", "+faststart"];
  expect(await execute("ffmpeg", ["-nostdin", "-v", "error", ...source, ...codec, file])).toMatchObject({ code: 0 });
  const { size } = await stat(file);
  await using site = await testSite();
  const ranges: string[] = [];
  await using origin = await httpOrigin((request, response) => {
    if (request.url === "/film.mp4") return void sendRange(file, size, request, response, ranges);
    return void response.setHeader("content-type", "text/html").end(`<video src="/film.mp4" preload="metadata" muted>`);
  });
  await site.map(`http://${HOST}`, origin.url);
  await using browser = await chromium({ [HOST]: site.edge.host });
  const page = await browser.context.newPage();
  await page.goto(`http://${HOST}:8787/`);
  const sought = await page.evaluate(`new Promise((resolve, reject) => {
    const video = document.querySelector("video");
    video.onerror = () => reject(new Error(video.error.message));
    video.onseeked = () => resolve({ at: video.currentTime, width: video.videoWidth });
    const seek = () => { video.currentTime = 25; };
    if (video.readyState > 0) seek(); else video.onloadedmetadata = seek;
  })`);
  expect(sought).toEqual({ at: 25, width: 320 });
  const starts = ranges.map((range) => Number(/^bytes=(\d+)-/.exec(range)?.[1]));
  expect(Math.max(...starts)).toBeGreaterThan(size / 2);
});

test("in Chromium two pages chat over a WebSocket, and events of the server arrive as they are sent", async (context) => {
  await needs(context, "chromium");
  await using site = await testSite();
  const listeners: ServerResponse[] = [];
  const heard = Promise.withResolvers<void>();
  await using origin = await httpOrigin((request, response) => {
    if (request.url !== "/events")
      return void response.setHeader("content-type", "text/html").end("<title>chat</title>");
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" }).flushHeaders();
    listeners.push(response);
    return heard.resolve();
  });
  const room = new WebSocketServer({ server: origin.server, path: "/chat" });
  room.on("connection", (socket) =>
    socket.on("message", (data, binary) => {
      for (const each of room.clients) if (each !== socket) each.send(data, { binary });
    }),
  );
  await site.map(`http://${HOST}`, origin.url);
  await using browser = await chromium({ [HOST]: site.edge.host });
  const [one, two] = [await browser.context.newPage(), await browser.context.newPage()];
  for (const page of [one, two]) {
    await page.goto(`http://${HOST}:8787/`);
    await page.evaluate(`new Promise((resolve, reject) => {
      window.heard = [];
      window.chat = new WebSocket("/chat");
      chat.onmessage = ({ data }) => heard.push(data);
      chat.onopen = () => resolve();
      chat.onerror = () => reject(new Error("no chat"));
    })`);
  }
  await one.evaluate(`chat.send("hello é😀")`);
  await until(two, `heard.length === 1`);
  await two.evaluate(`chat.send("hello yourself")`);
  await until(one, `heard.length === 1`);
  expect([await one.evaluate(`heard`), await two.evaluate(`heard`)]).toEqual([["hello yourself"], ["hello é😀"]]);

  await one.evaluate(`window.events = []; new EventSource("/events").onmessage = ({ data }) => events.push(data)`);
  await heard.promise;
  for (const nth of [1, 2, 3]) {
    listeners[0]?.write(`data: event ${nth}\n\n`);
    await until(one, `events.length === ${nth}`);
  }
  expect(await one.evaluate(`events`)).toEqual(["event 1", "event 2", "event 3"]);
  // The platform sees a closed connection when it writes to it (docs/http.md): a target that says nothing is not told.
  const comments = setInterval(() => listeners[0]?.write(":\n\n"), 50);
  const gone = once(listeners[0]!, "close");
  await one.close();
  await gone;
  clearInterval(comments);
});

/** Until it is true in a page, which may be in the background, where nothing is drawn. */
async function until(page: Page, condition: string): Promise<void> {
  await page.waitForFunction(condition, undefined, { polling: 50 });
}

/** A file as servers give it to players: the bytes asked for, and how many there are. */
async function sendRange(
  file: string,
  size: number,
  { headers }: IncomingMessage,
  response: ServerResponse,
  ranges: string[],
): Promise<void> {
  const { range = "bytes=0-" } = headers;
  ranges.push(range);
  const [, first = "0", last = ""] = /^bytes=(\d+)-(\d*)$/.exec(range) ?? [];
  const end = last === "" ? size - 1 : Number(last);
  response.writeHead(206, {
    "content-type": "video/mp4",
    "accept-ranges": "bytes",
    "content-length": end - Number(first) + 1,
    "content-range": `bytes ${first}-${end}/${size}`,
  });
  await using handle = await open(file);
  const stream = handle.createReadStream({ start: Number(first), end, autoClose: false });
  response.on("error", () => undefined).on("close", () => stream.destroy());
  stream.on("error", () => undefined).pipe(response);
  await once(stream, "close");
}
