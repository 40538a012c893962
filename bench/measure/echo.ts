import { echoTimes } from "../load/echo.ts";
import { OURS, type Bench } from "../harness/context.ts";
import { iperf } from "../harness/iperf.ts";
import { interleaved, ratio, valueOf } from "../harness/rounds.ts";
import { percentile } from "../harness/stats.ts";

const PER_SECOND = 500;
const BULK_STREAMS = 8;
/** Bulk begins this much before the echoes and ends after them. */
const MARGIN_SECONDS = 0.5;
/** Readings are long here, for there is bulk around each: fewer rounds of them do. */
const MOST_ROUNDS = 3;

/** Round trips of 64 bytes on an otherwise idle machine, and while eight bulk streams take all there is. */
export async function echo({ quick, rounds, seconds, targets, report, ...bench }: Bench): Promise<void> {
  // The figure is held against ours idle.
  const peers = bench.peers.filter(({ kind }) => !quick || kind === "ours");
  const series = await interleaved(peers, Math.min(rounds, MOST_ROUNDS), async (peer) => {
    const at = peer.at["echo"] ?? "";
    await echoTimes(at, PER_SECOND, 0.3);
    const idle = await echoTimes(at, PER_SECOND, seconds);
    const loaded = async (way: "up" | "down"): Promise<number[]> => {
      const load = iperf({
        target: targets["bulk"] ?? "",
        at: peer.at["bulk"] ?? "",
        streams: BULK_STREAMS,
        way,
        seconds: Math.ceil(seconds + 2 * MARGIN_SECONDS),
      });
      const times = new Promise((resolve) => setTimeout(resolve, MARGIN_SECONDS * 1000)).then(() =>
        echoTimes(at, PER_SECOND, seconds),
      );
      const [result] = await Promise.all([times, load]);
      return result;
    };
    const down = await loaded("down");
    const up = await loaded("up");
    return {
      p50: percentile(idle, 50),
      p99: percentile(idle, 99),
      down50: percentile(down, 50),
      down99: percentile(down, 99),
      up50: percentile(up, 50),
      up99: percentile(up, 99),
      down: percentile(down, 99) / percentile(idle, 99),
      up: percentile(up, 99) / percentile(idle, 99),
    };
  });
  report.table(
    "Echo of 64 bytes, 500 a second: milliseconds idle, and beside 8 bulk streams",
    ["through", "p50", "p99", "down p50", "down p99", "up p50", "up p99", "loaded/idle p99 down", "up"],
    series.map((each) => [
      each.peer.name,
      ...["p50", "p99", "down50", "down99", "up50", "up99", "down", "up"].map((name) => valueOf(each, name)),
    ]),
  );
  const ours = series.find(({ peer }) => peer.name === OURS);
  for (const way of ["down", "up"] as const) {
    const toSsh = ratio(series, `${way}99`, OURS, "ssh -R");
    const note = Number.isFinite(toSsh) ? `; ${toSsh.toFixed(2)}x of what ssh -R has beside bulk` : "";
    const taken = `on a machine whose cores are all taken${note}`;
    report.atMost(`echo p99 beside 8 bulk streams ${way}, against idle`, valueOf(ours, way), 3, "x", taken);
  }
}
