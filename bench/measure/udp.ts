import dgram from "node:dgram";
import { once } from "node:events";
import { loopback } from "../../test/support/net.ts";
import { startSallyport } from "../adapters/sallyport.ts";
import { OURS, type Bench } from "../harness/context.ts";
import { iperf } from "../harness/iperf.ts";
import { hostPort } from "../harness/peer.ts";
import { withCpu } from "../harness/rounds.ts";
import { percentile, short } from "../harness/stats.ts";

const CALLS = 100;
const EVERY_MS = 20;
const PAYLOAD_BYTES = 172;

/** A hundred calls of fifty packets a second each way, through a UDP mapping of the built-in gateway. */
export async function udp({ quick, targets, report, dist }: Bench): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const seconds = quick ? 3 : 8;
  const host = loopback();
  const far = dgram.createSocket("udp4").bind(7005, host);
  await once(far, "listening");
  // The echo is the other half of each call.
  far.on("message", (bytes, from) => far.send(bytes, from.port, from.address));
  stack.defer(() => void far.close());
  const bulk = targets["bulk"] ?? "";
  let ours;
  try {
    ours = await startSallyport({ bulk }, { dist, serve: ["--udp", "5005"] }, stack);
    await ours.cli("map", "add", "5005/udp", "bench", `${host}:7005`);
  } catch (error) {
    const why = `absent: ${error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error)}`;
    for (const [name, goal] of [
      ["UDP loss, idle", "<= 0"],
      ["UDP loss beside bulk", "< 1"],
      ["UDP added jitter p99, idle", "<= 5"],
      ["UDP added jitter p99 beside bulk", "<= 30"],
    ] as const)
      report.absent(name, goal, "", why);
    return;
  }
  const at = `${ours.host}:5005`;
  const direct = await calls(`${host}:7005`, seconds);
  const processes = { workerd: ours.workerd, agent: ours.agent.pid, gateway: ours.serve.pid };
  const { result: idle, cpu } = await withCpu({ name: OURS, kind: "ours", at: ours.at, processes }, () =>
    calls(at, seconds),
  );
  const spent = Object.entries(cpu).map(([name, cpuTime]) => {
    // The launcher, which is the gateway, is workerd's parent.
    const own = name === "cpu gateway" ? cpuTime - (cpu["cpu workerd"] ?? 0) : cpuTime;
    return `${name.slice(4)} ${short((own * 1000) / (2 * idle.sent))}`;
  });
  const load = iperf({ target: bulk, at: ours.at["bulk"] ?? "", streams: 8, way: "down", seconds: seconds + 3 });
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  const loaded = await calls(at, seconds);
  await load;
  const rows = Object.entries({ direct, idle, "beside 8 bulk streams": loaded }).map(
    ([name, { sent, loss, p50, p99 }]) => [name, sent, loss * 100, p50, p99],
  );
  report.table(
    `UDP, ${CALLS} calls x 50 packets of ${PAYLOAD_BYTES} bytes a second, both ways`,
    ["through", "packets", "lost %", "round trip p50 ms", "p99"],
    rows,
  );
  report.table(
    "UDP, CPU seconds per 1,000 datagrams, idle",
    ["each way counted", "CPU s"],
    [["sallyport", spent.join(", ")]],
  );
  report.atMost("UDP loss, idle", idle.loss * 100, 0, "%");
  report.atMost("UDP loss beside bulk", loaded.loss * 100, 1, "%");
  report.atMost(
    "UDP added jitter p99, idle",
    idle.p99 - idle.p50 - (direct.p99 - direct.p50),
    5,
    "ms",
    "of the round trip: both ways together",
  );
  report.atMost(
    "UDP added jitter p99 beside bulk",
    loaded.p99 - loaded.p50 - (direct.p99 - direct.p50),
    30,
    "ms",
    "of the round trip: both ways together",
  );
}

type Calls = { sent: number; loss: number; p50: number; p99: number };

async function calls(at: string, seconds: number): Promise<Calls> {
  const { host, port } = hostPort(at);
  const times: number[] = [];
  let sent = 0;
  const sockets = Array.from({ length: CALLS }, () => {
    const socket = dgram.createSocket("udp4");
    socket.on("message", (bytes) => times.push(performance.now() - bytes.readDoubleBE()));
    socket.on("error", () => {});
    return socket;
  });
  const say = (socket: dgram.Socket, counts: boolean): void => {
    const bytes = Buffer.alloc(PAYLOAD_BYTES);
    bytes.writeDoubleBE(performance.now());
    socket.send(bytes, port, host);
    if (counts) sent += 1;
  };
  // The first opens the flow and may wait for it.
  for (const socket of sockets) say(socket, false);
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  times.length = 0;
  const timers = sockets.map((socket, index) =>
    setTimeout(() => timers.push(setInterval(() => say(socket, true), EVERY_MS)), (index * EVERY_MS) / CALLS),
  );
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  for (const timer of timers) clearInterval(timer);
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  for (const socket of sockets) socket.close();
  return { sent, loss: Math.max(0, 1 - times.length / sent), p50: percentile(times, 50), p99: percentile(times, 99) };
}
