import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import net from "node:net";
import { join } from "node:path";
import { Transform } from "node:stream";
import { expect, test } from "vitest";
import { AGENT, SYSTEM_NODE } from "../../scripts/tool.ts";
import type { ConnectionView } from "../../shared/rule/api.ts";
import { digest, noise } from "../support/bytes.ts";
import { testEdge, type TestEdge } from "../support/edge.ts";
import { link, type Link } from "../support/link.ts";
import { loopback } from "../support/net.ts";
import { run, type Run } from "../support/run.ts";
import { ANYWHERE } from "../support/targets.ts";

const MIB = 1024 * 1024;

test("a download through cuts of the agent's connections arrives whole, byte for byte", async () => {
  await using edge = await testEdge({ tcp: "8080" });
  await using path = await link(edge.url);
  await using target = await serve((socket) => void noise(24 * MIB).pipe(socket));
  await using agent = await agentThrough(edge, path, target.address);
  const visitor = await visit(edge);
  const whole = digest(visitor);
  let cuts = 0;
  visitor.on("data", () => {
    // A cut every so many bytes, all connections or one of them: it falls at any point of any frame.
    if (visitor.bytesRead > (cuts + 1) * 3 * MIB && cuts < 6) {
      cuts += 1;
      if (cuts % 2 === 0) path.cut();
      else path.cutOne(cuts);
    }
  });
  expect(await whole).toEqual(await digest(noise(24 * MIB)));
  expect(cuts).toBe(6);
  expect(agent.stderr).toMatch(/not connected/);
});

test("an upload through cuts of the agent's connections arrives whole, and its answer comes back", async () => {
  await using edge = await testEdge({ tcp: "8080" });
  await using path = await link(edge.url);
  let cuts = 0;
  await using target = await serve(async (socket) => {
    let seen = 0;
    const counted = new Transform({
      transform(chunk: Buffer, _, done) {
        seen += chunk.length;
        if (seen > (cuts + 1) * 3 * MIB && cuts < 6) {
          cuts += 1;
          path.cut();
        }
        done(null, chunk);
      },
    });
    socket.end((await digest(socket.pipe(counted))).sha256);
  });
  await using agent = await agentThrough(edge, path, target.address);
  expect(agent.pid).toBeGreaterThan(0);
  const visitor = await visit(edge);
  noise(24 * MIB).pipe(visitor);
  expect(await textOf(visitor)).toBe((await digest(noise(24 * MIB))).sha256);
  expect(cuts).toBe(6);
});

test("a path that goes dark without a word is found out, and the stream goes on over a new one", async () => {
  await using edge = await testEdge({ tcp: "8080" });
  await using path = await link(edge.url);
  await using target = await serve((socket) => void socket.pipe(socket));
  await using agent = await agentThrough(edge, path, target.address);
  const visitor = await visit(edge);
  const said = listen(visitor);
  visitor.write("before ");
  await said("before ");
  path.blackhole();
  visitor.write("during");
  await agent.until(/nothing came from the edge/);
  path.cut();
  path.heal();
  await said("before during");
  visitor.destroy();
});

test("a restarted agent is another instance: the streams of the old one end at once, new ones are served", async () => {
  await using edge = await testEdge({ tcp: "8080" });
  await using path = await link(edge.url);
  await using target = await serve((socket) => void socket.pipe(socket));
  const tokenFile = await siteOf(edge, target.address);
  const first = agentOf(tokenFile, path);
  await first.until(/"msg":"ready"/);
  const visitor = await visit(edge);
  const ended = once(visitor, "end");
  const said = listen(visitor);
  visitor.write("old");
  await said("old");
  first.kill("SIGKILL");
  await using second = agentOf(tokenFile, path);
  await second.until(/"msg":"ready"/);
  await ended;
  const late = await visit(edge);
  const answered = listen(late);
  late.write("new");
  await answered("new");
  late.destroy();
  await first[Symbol.asyncDispose]();
  await expect
    .poll(async () => (await edge.json<ConnectionView[]>("log")).map((each) => each.outcome), { timeout: 20_000 })
    .toContain("lost");
});

test("a visitor who comes while the agent is just away waits for it instead of being refused", async () => {
  await using edge = await testEdge({ tcp: "8080" });
  await using path = await link(edge.url);
  await using target = await serve((socket) => void socket.pipe(socket));
  await using agent = await agentThrough(edge, path, target.address);
  expect(agent.pid).toBeGreaterThan(0);
  path.cut();
  const visitor = await visit(edge);
  const said = listen(visitor);
  visitor.write("patience");
  await said("patience");
  visitor.destroy();
});

/** A target of its own: every connection is given to `handle`. */
async function serve(handle: (socket: net.Socket) => void | Promise<void>) {
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => {});
    void handle(socket);
  });
  server.listen(0, loopback());
  await once(server, "listening");
  const { address, port } = server.address() as net.AddressInfo;
  return { address: `${address}:${port}`, [Symbol.asyncDispose]: async () => void server.close() };
}

async function siteOf(edge: TestEdge, target: string): Promise<string> {
  await edge.ok("site", "add", "lab");
  const tokenFile = join(edge.data, "token");
  await writeFile(tokenFile, await edge.ok("token", "agent", "lab", "--local", ...ANYWHERE), { mode: 0o600 });
  await edge.ok("map", "add", "8080/tcp", "lab", target);
  return tokenFile;
}

function agentOf(tokenFile: string, path: Link): Run {
  return run(SYSTEM_NODE, [AGENT, "--token-file", tokenFile, "--edge", path.url, "--log", "json"]);
}

async function agentThrough(edge: TestEdge, path: Link, target: string): Promise<Run> {
  const agent = agentOf(await siteOf(edge, target), path);
  await agent.until(/"msg":"ready"/);
  return agent;
}

/** A visitor at the edge's port 8080. */
async function visit(edge: TestEdge): Promise<net.Socket> {
  const socket = net.connect({ host: edge.host, port: 8080, allowHalfOpen: true });
  socket.on("error", () => {});
  await once(socket, "connect");
  return socket;
}

/** Collects what comes; the answer waits until it is exactly this. */
function listen(socket: net.Socket): (text: string) => Promise<void> {
  let heard = "";
  socket.on("data", (bytes: Buffer) => (heard += bytes.toString()));
  return (text) => expect.poll(() => heard, { timeout: 50_000 }).toBe(text);
}

async function textOf(socket: net.Socket): Promise<string> {
  let text = "";
  for await (const chunk of socket) text += String(chunk);
  return text;
}
