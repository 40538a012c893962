import { once } from "node:events";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import WebSocket from "ws";
import { expect, test } from "vitest";
import { encodeControl, Routes, Welcome, decodeControl } from "../../shared/wire/control.ts";
import { LANE_CLOSE } from "../../shared/wire/errors.ts";
import { encodeFields } from "../../shared/wire/fields.ts";
import { decodeFrame, encodeFrame, TYPE, type Frame } from "../../shared/wire/frame.ts";
import { decodeFailure, encodeDial, encodeOpen } from "../../shared/wire/open.ts";
import { PROTOCOL } from "../../shared/wire/version.ts";
import { loopback } from "../support/net.ts";
import { tcpServer } from "../support/peers.ts";
import { testSite, type TestSite } from "../support/site.ts";
import { ANYWHERE } from "../support/targets.ts";

// A peer made by hand, which says whatever it likes: what a token does not open stays closed.

class Peer implements AsyncDisposable {
  readonly socket: WebSocket;
  readonly #frames: Frame[] = [];
  readonly closed: Promise<number>;
  #changed = Promise.withResolvers<void>();
  slot = 0;

  constructor(site: TestSite, file: string, query = "?site=lab") {
    const url = `${site.edge.url.replace("http", "ws")}/.sallyport/connect${query}`;
    const headers = { authorization: `Bearer ${readFileSync(file, "utf8")}` };
    this.socket = new WebSocket(url, "sallyport.v1", { headers });
    this.socket.on("error", () => undefined);
    this.closed = new Promise((resolve) => this.socket.on("close", resolve));
    this.socket.on("message", (bytes: Buffer, isBinary) => {
      if (isBinary) this.#frames.push(decodeFrame(bytes));
      this.#changed.resolve();
      this.#changed = Promise.withResolvers();
    });
  }

  send(header: Parameters<typeof encodeFrame>[0], payload?: Uint8Array): void {
    this.socket.send(encodeFrame(header, payload));
  }

  async next(...types: number[]): Promise<Frame> {
    for (;;) {
      const index = this.#frames.findIndex((frame) => types.includes(frame.type));
      if (index >= 0) return this.#frames.splice(index, 1)[0] as Frame;
      await this.#changed.promise;
    }
  }

  /** HELLO, WELCOME, ROUTES, SESSION. */
  async join(kind: "client" | "gateway" | "agent"): Promise<Routes> {
    await once(this.socket, "open");
    const incarnation = randomBytes(16).toString("hex");
    this.socket.send(
      encodeControl(TYPE.HELLO, { protocol: PROTOCOL, kind, incarnation, lane: 0, version: "0", features: [] }),
    );
    decodeControl(await this.next(TYPE.WELCOME), Welcome);
    const routes = decodeControl(await this.next(TYPE.ROUTES), Routes);
    this.slot = routes.slots[0]?.slot ?? 0;
    const secrets = encodeFields({ 1: randomBytes(16), 2: randomBytes(32) });
    this.send({ type: TYPE.SESSION, slot: this.slot, offset: 65_536 }, secrets);
    return routes;
  }

  /** The code that refuses an OPEN; "open" when it was let in. */
  async open(stream: number, endpoint: string, visitor = "", slot = this.slot): Promise<string> {
    this.send({ type: TYPE.OPEN, slot, stream, offset: 16_384 }, encodeOpen({ endpoint, visitor }));
    const answer = await this.next(TYPE.REJECT, TYPE.ACCEPT);
    return answer.type === TYPE.ACCEPT ? "open" : decodeFailure(answer.payload).code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.terminate();
    await this.closed;
  }
}

test("a lane on which nothing moves is closed when its token ends", async () => {
  await using site = await testSite();
  await site.map("lab/a", "127.0.0.1:9");
  const [visitor, gateways] = [
    await site.token("visitor", "--endpoint", "lab/a", "--expires", "10s"),
    await site.token("gateway", "--expires", "10s"),
  ];
  await using client = new Peer(site, visitor);
  await using gateway = new Peer(site, gateways);
  await Promise.all([client.join("client"), gateway.join("gateway")]);
  // A gateway may dial again, and renew its token.
  expect([await client.closed, await gateway.closed]).toEqual([LANE_CLOSE.token, LANE_CLOSE.draining]);
});

test("a visitor's token opens its endpoints, and nothing else by any spelling", async () => {
  await using site = await testSite({ tcp: "8082" });
  await using echo = await tcpServer(loopback());
  const target = `${echo.host}:${echo.port}`;
  await site.map("8080/tcp", target, "--access", "token");
  await site.map("8081/tcp", target, "--access", "token");
  await site.map("8082/tcp", target);
  await site.map("lab/ssh", target);
  await using peer = new Peer(site, await site.token("visitor", "--endpoint", "8080/tcp"));
  const routes = await peer.join("client");
  expect(routes.endpoints.map(({ endpoint }) => endpoint)).toEqual(["8080/tcp"]);
  expect(await peer.open(1, "8080/tcp")).toBe("open");
  const closed = [
    "8081/tcp",
    "8082/tcp",
    "lab/ssh",
    "8080/udp",
    "8080-8081/tcp",
    "08080/tcp",
    "8080/tcp ",
    "8080/TCP",
    "",
    "127.0.0.1:22",
    target,
    "x".repeat(500),
  ];
  for (const [index, endpoint] of closed.entries()) {
    expect({ endpoint, answer: await peer.open(index + 2, endpoint) }).toEqual({ endpoint, answer: "denied" });
  }
  expect(await peer.open(100, "8080/tcp", "", 999)).toBe("slot-gone");
});

test("only a gateway may state a visitor's address; for a client the relay writes the lane's own", async () => {
  await using site = await testSite();
  await using echo = await tcpServer(loopback());
  const token = await site.token("visitor", "--endpoint", "lab/*");
  const gateway = await site.token("gateway");
  await site.map("lab/a", `${echo.host}:${echo.port}`, "--allow-from", "203.0.113.7/32");
  await site.map("8080/tcp", `${echo.host}:${echo.port}`, "--allow-from", "203.0.113.7/32");
  await using client = new Peer(site, token);
  await client.join("client");
  expect(await client.open(1, "lab/a", "203.0.113.7:5000")).toBe("denied");
  await using listener = new Peer(site, gateway);
  await listener.join("gateway");
  expect(await listener.open(1, "8080/tcp", "203.0.113.7:5000")).toBe("open");
  expect(await listener.open(2, "8080/tcp", "203.0.113.8:5000")).toBe("denied");
  expect(await listener.open(3, "8080/tcp", "[::ffff:203.0.113.7]:5000")).toBe("open");
  for (const visitor of ["", "203.0.113.7", "nobody", "203.0.113.7:5000:1"])
    expect(await listener.open(4, "8080/tcp", visitor)).toBe("denied");
});

test("a gateway owns public endpoints only", async () => {
  await using site = await testSite();
  await using echo = await tcpServer(loopback());
  const token = await site.token("gateway");
  await site.map("8080/tcp", `${echo.host}:${echo.port}`, "--access", "token");
  await site.map("lab/a", `${echo.host}:${echo.port}`);
  await using peer = new Peer(site, token);
  expect((await peer.join("gateway")).endpoints).toEqual([]);
  expect(await peer.open(1, "8080/tcp", "203.0.113.7:5000")).toBe("denied");
  expect(await peer.open(2, "lab/a", "203.0.113.7:5000")).toBe("denied");
});

test("a caller that speaks as an agent or a relay is cut off", async () => {
  await using site = await testSite();
  await site.map("lab/a", "127.0.0.1:9");
  const token = await site.token("visitor", "--endpoint", "lab/a");
  const dial = encodeDial({
    target: "127.0.0.1:22",
    kind: "tcp",
    mapping: 1,
    endpoint: "lab/a",
    visitor: "",
    options: "",
    token: "",
    grant: "",
    ref: "",
  });
  const forged: [number, Uint8Array?][] = [
    [TYPE.DIAL, dial],
    [TYPE.ACCEPT],
    [TYPE.REJECT],
    [TYPE.RESUMED],
    [TYPE.NUDGE],
    [TYPE.UNKNOWN_FLOW],
    [TYPE.ROUTES],
    [TYPE.CUT],
    [TYPE.WELCOME],
    [TYPE.BUDGET],
    [TYPE.REPORT, new TextEncoder().encode("{}")],
    [TYPE.AWAY],
  ];
  for (const [type, payload] of forged) {
    await using peer = new Peer(site, token);
    await peer.join("client");
    peer.send({ type, slot: peer.slot, stream: 1 }, payload);
    expect({ type, code: await peer.closed }).toEqual({ type, code: 4400 });
  }
  await using agent = new Peer(site, token);
  await once(agent.socket, "open");
  agent.socket.send(
    encodeControl(TYPE.HELLO, {
      protocol: PROTOCOL,
      kind: "gateway",
      incarnation: "0".repeat(32),
      lane: 0,
      version: "0",
      features: [],
    }),
  );
  expect(await agent.closed).toBe(4403);
});

test("lanes are for tokens that have something at the site, from where they may be used", async () => {
  await using site = await testSite();
  await site.edge.ok("site", "add", "other");
  await site.map("lab/a", "127.0.0.1:9");
  const elsewhere = await site.token("visitor", "--endpoint", "other/a");
  const away = await site.token("visitor", "--endpoint", "lab/a", "--from", "203.0.113.0/24");
  const agent = await site.token("agent", "lab", "--local", ...ANYWHERE);
  const admin = await site.token("admin");
  const cases: [string, string, number][] = [
    [elsewhere, "?site=lab", 403],
    [elsewhere, "?site=other", 403],
    [elsewhere, "", 403],
    [elsewhere, "?site=../lab", 403],
    [away, "?site=lab", 403],
    [agent, "?site=lab", 401],
    [admin, "?site=lab", 401],
  ];
  for (const [file, query, status] of cases) {
    const peer = new Peer(site, file, query);
    const [, response] = (await once(peer.socket, "unexpected-response")) as [unknown, { statusCode: number }];
    expect({ query, status: response.statusCode }).toEqual({ query, status });
    peer.socket.terminate();
  }
});
