import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { expect, test } from "vitest";
import { testEdge, type TestEdge } from "../support/edge.ts";
import { httpOrigin } from "../support/http.ts";
import { residentOf } from "../support/soundness.ts";
import { testSite } from "../support/site.ts";

const MIB = 1024 * 1024;
const LOGIN = "/.sallyport/api/v1/login";
const CHUNKED = "transfer-encoding: chunked";
const FRAMINGS = ["content-length: 150000000", CHUNKED];

test("bodies of 150 MB that do not end are refused, and workerd holds none of them", async () => {
  await using site = await testSite();
  await using origin = await httpOrigin((_, response) => void response.end());
  await site.map("http://web.example:8787", origin.url, "--access", "token");
  const { edge } = site;
  const bearer = `authorization: Bearer ${await edge.ok("token", "admin")}`;
  const host = `host: ${edge.host}:8787`;
  const doors: [path: string, ...headers: string[]][] = [
    [LOGIN, host],
    ["/.sallyport/api/v1/session", host],
    ["/.sallyport/login", "host: web.example:8787", "origin: http://web.example:8787"],
    ["/.sallyport/api/v1/mappings", host, bearer],
  ];
  for (const [path, ...headers] of doors) {
    for (const framing of FRAMINGS) {
      const head = [...headers, framing];
      // A sender that stops where it is over the limit, and one that goes on for as long as it is let.
      expect({ path, framing, status: (await pour(edge, path, head, 100 * 1024)).status }).toMatchObject({
        status: "413",
      });
      const before = residentOf(edge.workerd);
      const poured = await Promise.all([1, 2, 3, 4].map(() => pour(edge, path, head, 140 * MIB)));
      // What goes on into a connection that was closed may miss its last word; 16 MiB fit into the kernel's buffers.
      expect(poured.filter(({ status, sent }) => !["413", ""].includes(status) || sent > 16 * MIB)).toEqual([]);
      expect(residentOf(edge.workerd) - before).toBeLessThan(64);
    }
  }
});

test("bodies that are never ended are ended, the oldest first where there are too many; a login passes them by", async () => {
  await using edge = await testEdge();
  await using stack = new AsyncDisposableStack();
  const open = async () => {
    const socket = connect({ host: edge.host, port: 8787 }).on("error", () => undefined);
    stack.defer(() => void socket.destroy());
    socket.write(`POST ${LOGIN} HTTP/1.1\r\nhost: ${edge.host}:8787\r\ncontent-length: 100\r\n\r\n{"secret":`);
    await once(socket, "connect");
    return { status: statusOf(socket) };
  };
  // As many as there may be: the login is one more.
  const opened = await Promise.all(Array.from({ length: 256 }, open));
  const secret = readFileSync(edge.secretFile, "utf8").trim();
  expect((await edge.api("POST", "/login", null, { secret })).status).toBe(200);
  const answers = await Promise.all(opened.map(({ status }) => status));
  expect(answers.filter((status) => status === "408").length).toBeGreaterThan(200);
  expect(answers.filter((status) => status !== "408").every((status) => status === "503")).toBe(true);
});

/** Sends `most` bytes of a body that goes on after them. Answers the status it got, or "none", and how much was taken from us. */
async function pour(edge: TestEdge, path: string, headers: readonly string[], most: number) {
  const socket = connect({ host: edge.host, port: 8787 }).on("error", () => undefined);
  const status = statusOf(socket);
  socket.write([`POST ${path} HTTP/1.1`, ...headers, "", ""].join("\r\n"));
  const part = Buffer.alloc(100 * 1024, "x");
  const chunk = headers.includes(CHUNKED) ? Buffer.concat([Buffer.from("19000\r\n"), part, Buffer.from("\r\n")]) : part;
  // Who is answered has been heard enough.
  void status.then(() => socket.end());
  while (socket.bytesWritten < most && socket.writable) {
    if (!socket.write(chunk))
      await Promise.race([new Promise((resolve) => void socket.once("drain", resolve)), status]);
  }
  // All of it was taken: whoever holds it has not answered, and would not before the end.
  const answer = socket.bytesWritten >= 140 * MIB ? "none" : await status;
  const sent = socket.bytesWritten;
  socket.destroy();
  return { status: answer, sent };
}

/** The status of the first answer; "" when the connection ends without one. */
function statusOf(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    socket.once("data", (head) => resolve(/^HTTP\/1\.1 (\d+)/.exec(head.toString("latin1"))?.[1] ?? "?"));
    socket.once("close", () => resolve(""));
  });
}
