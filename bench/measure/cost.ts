import dgram from "node:dgram";
import { once } from "node:events";
import net from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import type { UsageList } from "../../shared/api.ts";
import { counted } from "../../test/support/counted.ts";
import { loopback } from "../../test/support/net.ts";
import { startSallyport, type Sallyport } from "../adapters/sallyport.ts";
import type { Bench } from "../harness/context.ts";
import { iperf } from "../harness/iperf.ts";
import { firstBytes } from "../load/echo.ts";

const CALL_EVERY_MS = 20;
const CALL_BYTES = 172;
const CALLS = 10;
const CAMERA_EVERY_MS = 40;
const CAMERA_BYTES = (4_000_000 / 8) * (CAMERA_EVERY_MS / 1000);
/** What a key of SSH is on the wire. */
const KEY_BYTES = 36;
const KEY_EVERY_MS = 2_000;
/** Messages of a relay that are billed as one request, and GB that one of its active seconds counts. */
const MESSAGES_A_REQUEST = 20;
const GIGABYTES = 0.128;

type Cost = { requests: number; messages: number; activeSeconds: number };

/** What Cloudflare would bill, as the relay itself counts it: a GB each way, an hour of a call, a day of a camera and of SSH, a day in which nothing happens. */
export async function cost(bench: Bench): Promise<void> {
  const { quick, seconds, targets, report, dist } = bench;
  const idle = await idleFor(bench);
  await using stack = new AsyncDisposableStack();
  const { bulk = "", echo = "" } = targets;
  const ours = await startSallyport({ bulk, echo }, { dist, serve: ["--udp", "5005", "--ports", "5006-5007"] }, stack);
  const usage = await usageOf(ours);
  const rows: (string | number)[][] = [];
  const tell = (what: string, used: Cost, times: number): void => {
    const { requests, messages, activeSeconds } = used;
    const billed = (requests + messages / MESSAGES_A_REQUEST) * times;
    rows.push([what, messages * times, billed, activeSeconds * times, activeSeconds * times * GIGABYTES]);
  };
  for (const way of ["down", "up"] as const) {
    const options = { target: bulk, at: ours.at["bulk"] ?? "", streams: 1, way, seconds: Math.ceil(seconds) };
    const { result, used } = await costOf(usage, () => iperf(options));
    tell(`1 GB ${way}`, used, 1e9 / result.bytes);
  }

  await using far = await udpEcho();
  await ours.cli("map", "add", "5005/udp", "bench", far.at);
  for (const [name, calls] of [
    ["1 call, an hour", 1],
    [`each of ${CALLS} calls at once, an hour`, CALLS],
  ] as const) {
    const length = quick ? 3 : 10;
    const { used } = await costOf(usage, () => call(ours.host, calls, length));
    tell(name, used, 3_600 / length / calls);
  }

  tell("idle agent, a day", { requests: 0, messages: idle.messages, activeSeconds: 0 }, 86_400 / idle.seconds);
  await using camera = await cameraServer();
  await ours.cli("map", "add", "5006/tcp", "bench", camera.at);
  await ours.cli("map", "add", "5007/tcp", "bench", echo);
  const filmed = quick ? 5 : 30;
  const day = 86_400 / filmed;
  tell("a camera at 4 Mbit/s, a day", (await costOf(usage, () => watch(ours.host, filmed))).used, day);
  // Eight hours of a key every two seconds, each with its answer.
  const typed = quick ? 6 : 30;
  const hours = (8 * 3_600) / typed;
  tell("SSH, a key every 2 s, 8 h", (await costOf(usage, () => type(ours.host, typed))).used, hours);

  report.table(
    "What a relay is billed for, by its own count",
    ["what", "messages in", "requests billed", "active s", "GB-s"],
    rows,
  );
  report.atMost(
    "messages that wake the relay of an idle agent, an hour",
    (idle.messages * 3_600) / idle.seconds,
    0,
    "",
  );
}

/** Messages of an idle agent that its relay would wake for, and how long was watched: counted on the wire, since asking the relay wakes it. */
async function idleFor({ dist, targets }: Bench): Promise<{ messages: number; seconds: number }> {
  await using stack = new AsyncDisposableStack();
  let path: Awaited<ReturnType<typeof counted>> | undefined;
  const through = async (edge: string): Promise<string> => {
    path = stack.use(await counted(`http://${edge}`));
    return new URL(path.url).host;
  };
  const ours = await startSallyport({ echo: targets["echo"] ?? "" }, { dist, through }, stack);
  await firstBytes(ours.at["echo"] ?? "", 1);
  const said = (): number => path?.lanes().reduce((sum, { binary }) => sum + binary, 0) ?? 0;
  // By then what that visitor left to be said is said.
  await path?.pings(2);
  const before = said();
  const begun = performance.now();
  await path?.pings(2);
  return { messages: said() - before, seconds: (performance.now() - begun) / 1000 };
}

/** What an action costs, less what asking costs. The relay is active for no longer than the action lasts: the rest is our asking. */
async function costOf<T>(usage: Usage, action: () => Promise<T>): Promise<{ result: T; used: Cost }> {
  const before = await usage.read();
  const begun = performance.now();
  const result = await action();
  const seconds = (performance.now() - begun) / 1000;
  const after = await usage.read();
  return {
    result,
    used: {
      requests: Math.max(0, after.requests - before.requests - usage.own.requests),
      messages: Math.max(0, after.messages - before.messages - usage.own.messages),
      activeSeconds: Math.min(seconds, after.activeSeconds - before.activeSeconds),
    },
  };
}

type Usage = { read: () => Promise<Cost>; /** What one reading costs itself. */ own: Cost };

/** The relay's count: it reaches the registry with the end of a connection, so reading it makes one. */
async function usageOf(ours: Sallyport): Promise<Usage> {
  const { api } = ours;
  const read = async (): Promise<Cost> => {
    await firstBytes(ours.at["echo"] ?? "", 1);
    // The relay hands its records over once a second.
    await pause(1_500);
    const { usage } = await api<UsageList>("GET", "/usage");
    const sum = { requests: 0, messages: 0, activeSeconds: 0 };
    for (const { requests, messages, activeMs } of usage) {
      sum.requests += requests;
      sum.messages += messages;
      sum.activeSeconds += activeMs / 1000;
    }
    return sum;
  };
  const first = await read();
  const second = await read();
  return {
    read,
    own: { requests: second.requests - first.requests, messages: second.messages - first.messages, activeSeconds: 0 },
  };
}

async function udpEcho(): Promise<{ at: string } & AsyncDisposable> {
  const host = loopback();
  const socket = dgram.createSocket("udp4").bind(7005, host);
  await once(socket, "listening");
  socket.on("message", (bytes, from) => socket.send(bytes, from.port, from.address));
  return { at: `${host}:7005`, [Symbol.asyncDispose]: async () => void socket.close() };
}

/** Calls of fifty packets a second each way, for so many seconds. */
async function call(host: string, count: number, seconds: number): Promise<void> {
  const sockets = Array.from({ length: count }, () => dgram.createSocket("udp4").on("error", () => {}));
  const timers = sockets.map((socket) =>
    setInterval(() => socket.send(Buffer.alloc(CALL_BYTES), 5005, host), CALL_EVERY_MS),
  );
  await pause(seconds * 1000);
  for (const timer of timers) clearInterval(timer);
  for (const socket of sockets) socket.close();
}

/** A camera: 4 Mbit/s, in a piece for each of 25 pictures a second. */
async function cameraServer(): Promise<{ at: string } & AsyncDisposable> {
  const host = loopback();
  const server = net.createServer((socket) => {
    const timer = setInterval(() => socket.write(Buffer.alloc(CAMERA_BYTES)), CAMERA_EVERY_MS);
    socket.on("error", () => {}).on("close", () => clearInterval(timer));
  });
  await once(server.listen(7006, host), "listening");
  return { at: `${host}:7006`, [Symbol.asyncDispose]: async () => void server.close() };
}

async function watch(host: string, seconds: number): Promise<void> {
  const viewer = net.connect(5006, host).on("error", () => {});
  viewer.resume();
  await pause(seconds * 1000);
  viewer.destroy();
}

async function type(host: string, seconds: number): Promise<void> {
  const shell = net.connect(5007, host).on("error", () => {});
  shell.resume();
  const keys = setInterval(() => shell.write(Buffer.alloc(KEY_BYTES)), KEY_EVERY_MS);
  await pause(seconds * 1000);
  clearInterval(keys);
  shell.destroy();
}
