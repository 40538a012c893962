import { floor } from "../adapters/floor.ts";
import { OURS, type Bench } from "../harness/context.ts";
import { iperf } from "../harness/iperf.ts";
import { interleaved, ratio, spreadOf, valueOf, withCpu, type Series } from "../harness/rounds.ts";
import { short } from "../harness/stats.ts";

/** Engines spend on compiling during the first hundreds of MB: those that run on one carry this, unrecorded, before their first reading. */
const WARM_UP = { streams: 2, way: "both", seconds: 1 } as const;

/** Bytes a second through one mapped port, by 1, 8 and 64 streams, each way. */
export async function bulk({ quick, rounds, seconds, targets, report, ...bench }: Bench): Promise<void> {
  // No figure is held against direct, which is what the machine itself does.
  const peers = bench.peers.filter(({ name }) => !quick || name !== "direct");
  for (const { name, at } of peers.filter((peer) => peer.kind === "ours" || peer.name === floor.name))
    await iperf({ target: targets["bulk"] ?? "", at: at["bulk"] ?? "", ...WARM_UP }).catch((error: unknown) =>
      console.error(`  ${name}, warming up: ${String(error)}`),
    );
  for (const streams of quick ? [1, 8] : [1, 8, 64]) {
    for (const way of ["down", "up"] as const) {
      const series = await interleaved(peers, rounds, async (peer) => {
        const options = { target: targets["bulk"] ?? "", at: peer.at["bulk"] ?? "", streams, way, seconds };
        const { result, cpu } = await withCpu(peer, () => iperf(options));
        const perGigabyte = Object.entries(cpu).map(([name, spent]) => [name, spent / (result.bytes / 1e9)]);
        return { MBps: result.bytesPerSecond / 1e6, ...(Object.fromEntries(perGigabyte) as Record<string, number>) };
      });
      const title = `Bulk, ${streams} ${streams === 1 ? "stream" : "streams"} ${way}`;
      report.table(
        title,
        ["through", "MB/s", "spread", "of direct", "CPU s per GB"],
        series.map((each) => row(each, series)),
      );
      if (streams === 64) continue;
      report.atLeast(`${title}, against ssh -R`, ratio(series, "MBps", OURS, "ssh -R"), 2, "x");
      report.atLeast(`${title}, against socat`, ratio(series, "MBps", OURS, "socat"), 0.6, "x");
      const others = series.filter(({ peer }) => peer.kind === "mux" && peer.name !== "ssh -R");
      const least = Math.min(...others.map(({ peer }) => ratio(series, "MBps", OURS, peer.name)));
      if (others.length > 0) report.atLeast(`${title}, against the best other multiplexing tunnel`, least, 1, "x");
    }
  }
}

function row(each: Series, all: readonly Series[]): (string | number)[] {
  const cpu = Object.keys(each.readings[0] ?? {}).filter((name) => name.startsWith("cpu "));
  const used = cpu.map((name) => [name.slice(4), valueOf(each, name)] as const).filter(([, spent]) => spent >= 0.005);
  return [
    each.peer.name,
    valueOf(each, "MBps"),
    `+-${short(spreadOf(each, "MBps") * 100)} %`,
    ratio(all, "MBps", each.peer.name, "direct"),
    used.map(([name, spent]) => `${name} ${short(spent)}`).join(", "),
  ];
}
