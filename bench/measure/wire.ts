import { startEdge } from "../adapters/sallyport.ts";
import { OURS, type Bench } from "../harness/context.ts";
import { iperf } from "../harness/iperf.ts";
import { FAR } from "../harness/link.ts";
import { OPEN, rateAfter, secondsUntil, WARM_UP, type Interval } from "../harness/opening.ts";
import { startWire, type Wire } from "../harness/wire.ts";
import { median } from "../harness/stats.ts";

const WAYS = ["down", "up"] as const;
/** The edge's port, and one in the other network that is reached without us: both are read at once, for together they leave the wire half empty. */
const OUR_PORT = 7_000;
const BARE_PORT = 7_001;

/**
 * The same distance, for the kernel as for us: the agent and what it publishes are in a network namespace behind two TUN
 * devices, and TCP meets the distance with its own windows and its own congestion control, as this machine has them.
 */
export async function wire({ quick, seconds, report, dist }: Bench): Promise<void> {
  const figure = (way: string): string =>
    `${FAR.roundTripMs} ms, 1 Gb/s for the kernel too, 1 stream ${way}, against a bare connection`;
  await using stack = new AsyncDisposableStack();
  let link: Wire;
  try {
    link = await startWire(FAR.roundTripMs / 2, FAR.rate, stack);
  } catch (error) {
    // The last line is what the program said that was refused.
    const [first, ...more] = (error instanceof Error ? error.message : String(error))
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("---"));
    const why = more.at(-1) ?? first;
    for (const way of WAYS) report.absent(figure(way), ">= 0.9", "x", `no link between network namespaces: ${why}`);
    return;
  }
  const { near, far, within } = link;
  const edge = await startEdge({ dist, serve: ["--tcp", String(OUR_PORT)], listen: near, within }, stack);
  await edge.join("bench", { [`${OUR_PORT}/tcp`]: `127.0.0.1:${OUR_PORT}` });
  const read = async (host: string, port: number, way: (typeof WAYS)[number]): Promise<readonly Interval[]> => {
    const [target, at] = [`0.0.0.0:${port}`, `${host}:${port}`];
    return (await iperf({ target, at, streams: 1, way, seconds: WARM_UP + Math.ceil(seconds), within })).intervals;
  };
  const rows = { down: [] as (string | number)[][], up: [] as (string | number)[][] };
  for (let round = 0; round < (quick ? 1 : 3); round += 1) {
    // One way after the other: one stream is promised as much, not two against each other.
    for (const way of WAYS) {
      const both = [read(far, BARE_PORT, way), read(edge.host, OUR_PORT, way)] as const;
      const [bare, ours] = await Promise.all(both);
      const [most, reached] = [rateAfter(bare, WARM_UP), rateAfter(ours, WARM_UP)];
      const opened = [bare, ours].map((each) => secondsUntil(each, OPEN * most) ?? "not in this reading");
      rows[way].push([`1 stream ${way}`, most / 1e6, reached / 1e6, reached / most, ...opened]);
    }
  }
  for (const way of WAYS)
    report.atLeast(figure(way), median(rows[way].map(([, , , ratio]) => Number(ratio))), OPEN, "x");
  report.table(
    `Bulk at ${FAR.roundTripMs} ms and 1 Gb/s for the kernel too, after ${WARM_UP} s; and seconds until ${OPEN * 100} % of the bare connection's rate`,
    ["what", "bare MB/s", `${OURS} MB/s`, "ratio", "bare opens, s", `${OURS} opens, s`],
    [...rows.down, ...rows.up],
  );
}
