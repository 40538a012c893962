import dgram from "node:dgram";
import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { loopback } from "../../test/support/net.ts";
import { floorUdp, socatUdp } from "../adapters/floor-udp.ts";
import { startSallyport } from "../adapters/sallyport.ts";
import { OURS, type Bench } from "../harness/context.ts";
import { iperf } from "../harness/iperf.ts";
import type { Peer } from "../harness/peer.ts";
import { interleaved, spreadOf, valueOf, withCpu, type Reading, type Series } from "../harness/rounds.ts";
import { short } from "../harness/stats.ts";
import { Calls, CALLS, PAYLOAD_BYTES } from "../load/calls.ts";

/** Each way has this much before its first reading: flows are opened, and engines compile. */
const WARM_SECONDS = 1;
/** Until bulk has taken what there is. */
const FILL_MS = 1_000;

/** A hundred calls of fifty packets a second each way, through a UDP mapping of the built-in gateway; beside what the platform, socat and the machine itself make of them. */
export async function udp({ quick, rounds, targets, report, dist }: Bench): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const target = await echo(stack);
  const { bulk = "" } = targets;
  let ours;
  try {
    ours = await startSallyport({ bulk }, { dist, serve: ["--udp", "5005"] }, stack);
    const mappings = [{ endpoint: "5005/udp", site: "bench", target }];
    await ours.api("PUT", "/mappings", { mappings, keep: true, dryRun: false });
  } catch (error) {
    const why = `absent: ${error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error)}`;
    for (const [name, goal] of [
      ["UDP loss, idle", "<= 0"],
      ["UDP loss beside bulk", "<= 1"],
      ["UDP added jitter p99, idle", "<= 5"],
      ["UDP added jitter p99 beside bulk", "<= 30"],
    ] as const)
      report.absent(name, goal, "", why);
    return;
  }
  const processes = { workerd: ours.workerd, agent: ours.agent.pid, gateway: ours.serve.pid };
  const ways = {
    direct: { at: target, processes: {} },
    socat: quick ? null : await socatUdp(target, stack),
    floor: await floorUdp(target, stack),
    [OURS]: { at: `${ours.host}:5005`, processes },
  };
  const peers = Object.entries(ways).flatMap(([name, way]): Peer[] =>
    way === null ? [] : [{ name, kind: "baseline", at: { calls: way.at }, processes: way.processes }],
  );
  const calls = new Map(peers.map((peer) => [peer, stack.use(new Calls(peer.at["calls"] ?? ""))]));
  const seconds = quick ? 1 : 4;
  const speak = async (peer: Peer) => {
    const { result, cpu } = await withCpu(peer, async () => (await calls.get(peer)?.speak(seconds)) ?? {});
    return { ...result, ...perThousand(cpu, 2 * (result["sent"] ?? 0), peer.name === OURS) };
  };
  await Promise.all([...calls.values()].map((each) => each.speak(WARM_SECONDS)));
  const idle = await interleaved(peers, rounds, speak);
  // The same bulk beside all of them, through ours: what two taken cores do to a plain echo is told, too.
  const length = (seconds + 0.6) * peers.length * rounds + FILL_MS / 1000;
  const load = iperf({ target: bulk, at: ours.at["bulk"] ?? "", streams: 8, way: "down", seconds: Math.ceil(length) });
  await pause(FILL_MS);
  const loaded = await interleaved(peers, rounds, speak);
  await load;
  report.table(
    `UDP, ${CALLS} calls x 50 packets of ${PAYLOAD_BYTES} bytes a second, both ways; CPU seconds per 1,000 datagrams, each way counted, bulk with ours`,
    ["through", "beside", "packets", "lost %", "round trip p50 ms", "p99", "spread of p99", "CPU s per 1,000"],
    [...idle.map((each) => row(each, "nothing")), ...loaded.map((each) => row(each, "8 bulk streams"))],
  );
  const of = (all: readonly Series[], name: string, what: string): number =>
    valueOf(
      all.find(({ peer }) => peer.name === name),
      what,
    );
  const added = (all: readonly Series[], name: string): number =>
    of(all, name, "jitter") - of(idle, "direct", "jitter");
  for (const [when, all, mostLost, mostJitter] of [
    [", idle", idle, 0, 5],
    [" beside bulk", loaded, 1, 30],
  ] as const) {
    const beside = all === loaded ? `; direct ${short(added(all, "direct"))} ms beside the same bulk` : "";
    report.atMost(
      `UDP loss${when}`,
      of(all, OURS, "loss"),
      mostLost,
      "%",
      `floor ${short(of(all, "floor", "loss"))} %`,
    );
    report.atMost(
      `UDP added jitter p99${when}`,
      added(all, OURS),
      mostJitter,
      "ms",
      `of the round trip: both ways together; floor ${short(added(all, "floor"))} ms${beside}`,
    );
  }
}

/** The other half of each call. Answers where it is. */
async function echo(stack: AsyncDisposableStack): Promise<string> {
  const host = loopback();
  const far = dgram.createSocket("udp4").bind(7005, host);
  await once(far, "listening");
  far.on("message", (bytes, from) => far.send(bytes, from.port, from.address));
  stack.defer(() => void far.close());
  return `${host}:7005`;
}

/** `nested`: the gateway is the launcher, workerd's parent, and has its time counted too. */
function perThousand(cpu: Reading, datagrams: number, nested: boolean): Reading {
  const each = Object.entries(cpu).map(([name, spent]) => {
    const own = name === "cpu gateway" && nested ? Math.max(0, spent - (cpu["cpu workerd"] ?? 0)) : spent;
    return [name, (own * 1000) / datagrams] as const;
  });
  return Object.fromEntries(each);
}

function row(each: Series, beside: string): (string | number)[] {
  const parts = Object.keys(each.readings[0] ?? {}).filter((name) => name.startsWith("cpu "));
  return [
    each.peer.name,
    beside,
    valueOf(each, "sent"),
    valueOf(each, "loss"),
    valueOf(each, "p50"),
    valueOf(each, "p99"),
    `+-${short(spreadOf(each, "p99") * 100)} %`,
    parts.map((name) => `${name.slice(4)} ${short(valueOf(each, name))}`).join(", "),
  ];
}
