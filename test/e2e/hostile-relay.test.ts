import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import { WebSocketServer, type WebSocket } from "ws";
import { Client } from "../../link/client.ts";
import { Dialler } from "../../link/dial/dialler.ts";
import { LANES } from "../../link/lanes.ts";
import type { Log } from "../../link/log.ts";
import { AGENT, SYSTEM_NODE } from "../../scripts/tool.ts";
import { batch } from "../../shared/batch.ts";
import { encodeControl } from "../../shared/control.ts";
import { LANE_CLOSE } from "../../shared/errors.ts";
import { encodeFields } from "../../shared/fields.ts";
import { decodeFrame, encodeFrame, TYPE, type Frame } from "../../shared/frame.ts";
import { encodeRequestHead, type RequestHead } from "../../shared/http-head.ts";
import { DIALS_IN_FLIGHT } from "../../shared/limits.ts";
import { decodeFailure, encodeDial, type Kind } from "../../shared/open.ts";
import { DISGUISES, GARBAGE } from "../support/bad-targets.ts";
import { loopback } from "../support/net.ts";
import { tcpServer } from "../support/peers.ts";
import { run, type Run } from "../support/run.ts";
import { tempDir } from "../support/temp-dir.ts";
import { unsignedToken } from "../support/unsigned-token.ts";
import { WELCOME } from "../support/welcome.ts";

// An edge in hostile hands: it says WELCOME to anybody, and DIAL for whatever it likes.

test("an agent dials nothing but what its token and its own rules allow, whatever the relay says", async () => {
  const [within, outside] = [loopback(), loopback()];
  let connections = 0;
  await using allowed = await tcpServer(within, 0, (socket) => void socket.end());
  await using denied = await tcpServer(outside, 0, () => void (connections += 1));
  await using relay = await hostileRelay();
  await using folder = await tempDir();
  await using stack = new AsyncDisposableStack();
  // The token has one address and port more than --allow, and --allow one more than the token.
  const targets = [`${within}/32:${allowed.port}`, `${within}/32:1`, "10.9.9.9/32:80"];
  const allow = [`${within}:${allowed.port}`, outside, "10.9.9.9", "localhost"].flatMap((rule) => ["--allow", rule]);
  const agent = await startAgent({ edge: relay.url, targets, words: [...allow, "--deny", "10.9.9.9"] }, stack);
  await agent.until(/"msg":"ready"/);

  expect(await relay.dial(`${within}:${allowed.port}`, "tcp")).toBe("accepted");
  const { port } = denied;
  const numbers = outside.split(".").map(Number) as [number, number, number, number];
  const integer = numbers.reduce((sum, byte) => sum * 256 + byte, 0);
  const refused: [target: string, kind: Kind][] = [
    [`${outside}:${port}`, "tcp"],
    [`${outside}:${port}`, "udp"],
    [`http://${outside}:${port}`, "http"],
    [`https://${outside}:${port}`, "http"],
    [`[::ffff:${outside}]:${port}`, "tcp"],
    [`${integer}:${port}`, "tcp"],
    [`0x${integer.toString(16)}:${port}`, "tcp"],
    [`${numbers.map((byte) => `0${byte.toString(8)}`).join(".")}:${port}`, "tcp"],
    [`localhost:${port}`, "tcp"],
    [`${within}:1`, "tcp"],
    [`${within}:${port}`, "tcp"],
    ["10.9.9.9:80", "tcp"],
    ["169.254.169.254:80", "tcp"],
    ["http://169.254.169.254", "http"],
    ["[64:ff9b::a9fe:a9fe]:80", "tcp"],
    [`unix:${join(folder.path, "x.sock")}`, "http"],
    ["unix:/var/run/docker.sock", "http"],
    [`0.0.0.0:${port}`, "tcp"],
    [`[::]:${port}`, "tcp"],
    [`[::1]:${port}`, "tcp"],
    [`${within}:0`, "tcp"],
    [`${within}:65536`, "tcp"],
    [`${within}:${allowed.port} ${outside}:${port}`, "tcp"],
    ...DISGUISES.map((host): [target: string, kind: Kind] => [`${host}:${port}`, "tcp"]),
    ...DISGUISES.map((host): [target: string, kind: Kind] => [`${host}:${port}`, "udp"]),
    ...DISGUISES.map((host): [target: string, kind: Kind] => [`http://${host}:${port}`, "http"]),
    ...GARBAGE.map((target): [target: string, kind: Kind] => [target, "tcp"]),
    ...GARBAGE.map((target): [target: string, kind: Kind] => [target, "http"]),
  ];
  for (const [target, kind] of refused) {
    const answer = await relay.dial(target, kind);
    expect({ target, kind, answer }).toEqual({
      target,
      kind,
      answer: expect.stringMatching(/^(target-denied|target-unresolved|internal)$/),
    });
  }
  expect(connections).toBe(0);
  // It did not take offence, and goes on.
  expect(await relay.dial(`${within}:${allowed.port}`, "tcp")).toBe("accepted");
});

test("what no relay would say ends the lane, not the agent", async () => {
  await using relay = await hostileRelay();
  await using stack = new AsyncDisposableStack();
  const agent = await startAgent({ edge: relay.url }, stack);
  await agent.until(/"msg":"ready"/);
  const renewals: object[] = [
    { token: "x.y.z" },
    { token: unsignedToken("shop", relay.url) },
    { token: "a".repeat(8_000) },
    { code: "early", reason: "\u001b[2Jnot yet" },
  ];
  for (const answer of renewals) relay.say(encodeControl(TYPE.RENEW, answer));
  await agent.until(/"msg":"the token is not renewed"/);
  expect(await relay.dial("127.0.0.1:1", "tcp")).toBe("target-refused");
  // The token is still its own, and so is the file.
  expect(agent.stderr).not.toMatch(/"msg":"token renewed"/);
});

test("an agent that loses a lane has its callers settle what was on its way; one that stops says nothing of dialling", async () => {
  await using relay = await hostileRelay();
  await using stack = new AsyncDisposableStack();
  const agent = await startAgent({ edge: relay.url }, stack);
  await relay.complete;
  for (const channel of [5, 9]) relay.say(session(channel));
  // The agent has taken both sessions once it answers this dial, which is on the relay's own channel 0.
  expect(await relay.dial("127.0.0.1:1", "tcp")).toBe("target-refused");
  relay.loseLane();
  // The relay may still hold its end of the lane, and is told too.
  while (relay.nudged.size < 3) await pause(20);
  expect(relay.nudged).toEqual(new Set([0, 5, 9]));
  agent.kill("SIGTERM");
  await agent.ended;
  expect(agent.stderr).not.toMatch(/not connected/);
});

const OVERRUN = "more is on its way than credit allows";

test("an agent warns when the edge ends one of its lanes for what was sent on it, and says why; of one that breaks it says nothing", async () => {
  await using relay = await hostileRelay();
  await using stack = new AsyncDisposableStack();
  const agent = await startAgent({ edge: relay.url }, stack);
  await relay.complete;
  relay.loseLane();
  relay.endLane(LANE_CLOSE.overrun, OVERRUN);
  await agent.until(
    new RegExp(`"level":"warn","msg":"a lane was lost","lane":\\d,"reason":"the edge ended .*${OVERRUN}"`),
  );
  agent.kill("SIGTERM");
  await agent.ended;
  expect(agent.stderr.match(/a lane was lost/g)).toHaveLength(1);
});

test("a client, and a gateway, warns of the same with the name of the site", async () => {
  await using relay = await hostileRelay();
  const warned = Promise.withResolvers<object>();
  const log: Log = (level, message, fields = {}) => level === "warn" && warned.resolve({ message, ...fields });
  const ignore = (): void => undefined;
  const edge = new URL(relay.url.replace("http", "ws"));
  await using client = new Client(
    { edge, kind: "client", dialler: new Dialler(), token: () => "x", log },
    { routes: ignore, stopped: ignore, drained: ignore },
  );
  client.use("lab");
  await relay.complete;
  relay.endLane(LANE_CLOSE.overrun, OVERRUN);
  expect(await warned.promise).toEqual({
    message: "a lane was lost",
    site: "lab",
    lane: expect.any(Number),
    reason: `the edge ended the lane: ${OVERRUN}`,
  });
});

test("a mapping whose target answers nobody has half of all dials in flight; those beyond are refused at once, and another mapping is dialled", async () => {
  await using relay = await hostileRelay();
  await using stack = new AsyncDisposableStack();
  // It listens, but is stopped: once its short queue is full, connects wait for ever.
  const host = loopback();
  const listen = `require("net").createServer().listen(0, "${host}", 1, function () { console.log("port " + this.address().port + "."); })`;
  await using target = run(SYSTEM_NODE, ["-e", listen]);
  const [, port = ""] = await target.until(/port (\d+)\./);
  target.kill("SIGSTOP");
  const agent = await startAgent({ edge: relay.url }, stack);
  await agent.until(/"msg":"ready"/);
  const beyond = 50;
  await using echo = await tcpServer(loopback());
  const silent = Array.from({ length: DIALS_IN_FLIGHT / 2 + beyond }, () => relay.dial(`${host}:${port}`, "tcp"));
  // What was on a lane that the agent replaced meanwhile, on a busy machine, nobody answers.
  let other = "silence";
  while (other === "silence") other = await relay.dial(`${echo.host}:${echo.port}`, "tcp", 2);
  expect(other).toBe("accepted");
  const answers = await Promise.all(silent);
  const busy = answers.filter((answer) => answer === "busy").length;
  // The few that its queue took made room for as many others.
  expect(busy).toBeGreaterThan(beyond - 10);
  expect(busy).toBeLessThanOrEqual(beyond);
  target.kill("SIGCONT");
});

test("an agent in hostile hands answers, ends a session or ends a lane, and goes on", async () => {
  await using relay = await hostileRelay();
  await using stack = new AsyncDisposableStack();
  const agent = await startAgent({ edge: relay.url }, stack);
  await agent.until(/"msg":"ready"/);
  await using echo = await tcpServer(loopback());
  const at = `${echo.host}:${echo.port}`;
  const random = randomOf(42);
  for (let round = 0; round < 40; round += 1) {
    for (let count = 0; count < 10; count += 1) relay.say(anyFrame(random));
    // Whatever that has ended, the next who comes is served.
    if (round % 20 === 19) {
      do relay.anew();
      while ((await relay.dial(at, "tcp")) !== "accepted");
    }
  }
  expect(agent.stderr).not.toMatch(/uncaught|unhandled|TypeError|RangeError|\bat .*\.js:/i);
});

/** The same numbers every time: what fails must fail again. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const TYPES = Object.values(TYPE);

/** A frame that a decoder takes, more or less: known types, small numbers and large ones, and bytes that often mean something. */
function anyFrame(random: (below: number) => number): Uint8Array {
  const pick = <T>(from: readonly T[]): T => from[random(from.length)] as T;
  const number = (): number => pick([0, 1, 2, 3, 7, 255, 65_535, 65_536, 2 ** 31, 2 ** 53 - 1]);
  const bytes = (size: number): Uint8Array => Uint8Array.from({ length: size }, () => random(256));
  const text = new TextEncoder();
  const payload = pick<() => Uint8Array>([
    () => new Uint8Array(0),
    () => bytes(random(64)),
    () => bytes(8),
    () => encodeFields({ 1: bytes(16), 2: bytes(32) }),
    () =>
      encodeFields({
        1: pick(["127.0.0.1:1", "x", "unix:/x", "http://127.0.0.1:1"]),
        2: random(5),
        6: pick(["", "{}", "[", '{"probe":true}', '{"maxStreams":-1}', '{"bytesPerSecond":1e-300}']),
      }),
    () =>
      text.encode(
        pick([
          "{}",
          "[]",
          "null",
          '{"mapping":1,"code":"x","reason":"y"}',
          '{"token":"x","code":"cut","reason":""}',
          '{"code":"a","reason":"b"}',
        ]),
      ),
    () => new Uint8Array(50 + 48 * random(4)).fill(random(256)),
    () =>
      batch([
        encodeFrame(
          {
            type: pick([TYPE.DATA, TYPE.FIN, TYPE.CREDIT, TYPE.RESET, TYPE.DGRAM]),
            stream: random(9),
            offset: number(),
          },
          bytes(random(40)),
        ),
      ]),
  ])();
  // A lane that the relay greets twice, or closes, is another test.
  const type = pick(TYPES.filter((each) => each !== TYPE.WELCOME && each !== TYPE.REDIRECT && each !== TYPE.GOAWAY));
  const body = type === TYPE.BATCH && payload.byteLength > 28 ? payload.subarray(28) : payload;
  return encodeFrame(
    {
      type,
      flags: random(4),
      lane: random(20),
      channel: random(3),
      stream: type < TYPE.OPEN ? 0 : random(40),
      offset: number(),
    },
    body,
  );
}

/** Starts an agent of the site `lab`, whose token names this edge. It ends, and its folder goes, with the scope. */
async function startAgent(
  { edge, targets, words = [] }: { edge: string; targets?: string[]; words?: string[] },
  stack: AsyncDisposableStack,
): Promise<Run> {
  const { path } = stack.use(await tempDir());
  const file = join(path, "token");
  await writeFile(file, unsignedToken("lab", edge, targets), { mode: 0o600 });
  const options = { env: { XDG_STATE_HOME: path } };
  return stack.use(run(SYSTEM_NODE, [AGENT, "--token-file", file, "--log", "json", ...words], options));
}

/** An edge that is none: it lets everybody in. */
async function hostileRelay() {
  const host = loopback();
  const server = createServer().listen(0, host);
  await once(server, "listening");
  const url = `http://${host}:${(server.address() as AddressInfo).port}`;
  const sockets = new WebSocketServer({ server, handleProtocols: () => "sallyport.v1" });
  const lanes: WebSocket[] = [];
  const answers = new Map<number, (answer: string) => void>();
  const nudged = new Set<number>();
  const { promise: complete, resolve: completed } = Promise.withResolvers<void>();
  sockets.on("connection", (socket) => {
    socket.on("close", () => {
      if (lanes.includes(socket)) lanes.splice(lanes.indexOf(socket), 1);
    });
    socket.on("message", (data: Buffer, isBinary) => {
      if (!isBinary) return socket.send("pong");
      const frame = decodeFrame(data);
      if (frame.type === TYPE.HELLO) {
        socket.send(encodeControl(TYPE.WELCOME, WELCOME));
        if (lanes.push(socket) === LANES) completed();
        return lanes.length > 1 ? undefined : socket.send(session());
      }
      return heard(frame);
    });
  });
  function heard({ type, channel, stream, payload }: Frame): void {
    if (type === TYPE.NUDGE) nudged.add(channel);
    if (type === TYPE.ACCEPT) answers.get(stream)?.("accepted");
    if (type === TYPE.REJECT) answers.get(stream)?.(decodeFailure(payload).code);
    // An HTTP stream says why in a record of its own.
    const [code] = /target-[a-z]+|internal/.exec(Buffer.from(payload).toString("latin1")) ?? [];
    if (type === TYPE.DATA && code !== undefined) answers.get(stream)?.(code);
  }
  const say = (frame: Uint8Array): void => lanes[0]?.send(frame);
  let stream = 1_000;
  return {
    url,
    say,
    /** Resolves when the agent has all of its lanes. */
    complete,
    /** Channels whose callers the agent has asked to resume. */
    nudged,
    /** One of the data lanes breaks. */
    loseLane: () => lanes[1]?.terminate(),
    /** The other is ended, for this reason. */
    endLane: (code: number, reason: string) => lanes[2]?.close(code, reason),
    /** A new session on channel 0: whatever was there is over. */
    anew: () => say(session()),
    /** Tells the agent to dial; answers `accepted` or the code of its refusal. */
    dial: (target: string, kind: Kind, mapping = 1): Promise<string> => {
      stream += 1;
      const { promise, resolve } = Promise.withResolvers<string>();
      answers.set(stream, resolve);
      const dial = {
        target,
        kind,
        mapping,
        endpoint: "8080/tcp",
        visitor: "192.0.2.1:5",
        options: "",
        token: "",
        grant: "",
        hops: 0,
        ref: "",
      };
      say(encodeFrame({ type: TYPE.DIAL, stream, offset: 16_384 }, encodeDial(dial)));
      // An HTTP target is dialled for a request.
      if (kind === "http") say(encodeFrame({ type: TYPE.DATA, stream }, encodeRequestHead(REQUEST)));
      // A dial that nobody answers is a failure with a name; it has far longer than it needs.
      const late = new Promise<string>((done) => void setTimeout(() => done("silence"), 8_000).unref());
      return Promise.race([promise, late]);
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets.clients) socket.terminate();
      server.close();
      await once(server, "close");
    },
  };
}

/** SESSION of a caller that nobody has met. */
function session(channel = 0): Uint8Array {
  return encodeFrame(
    { type: TYPE.SESSION, channel, offset: 1_000_000 },
    encodeFields({ 1: randomBytes(16), 2: randomBytes(32) }),
  );
}

const REQUEST: RequestHead = {
  method: "GET",
  path: "/",
  host: "camera.example",
  scheme: "http",
  headers: [],
  upgrade: false,
  framing: "none",
};
