import { OURS, type Bench } from "../harness/context.ts";
import { echoTimes, firstBytes } from "../load/echo.ts";
import { iperf } from "../harness/iperf.ts";
import { FAR, startLink, type LinkOptions } from "../harness/link.ts";
import { OPEN, rateAfter, secondsUntil, WARM_UP, type Interval } from "../harness/opening.ts";
import type { Targets } from "../harness/peer.ts";
import { percentile, median } from "../harness/stats.ts";
import { loopback } from "../../test/support/net.ts";
import { startSallyport } from "../adapters/sallyport.ts";

/**
 * An edge that is far away: a process between agent and edge delays and limits what passes. It stands for distance, not for
 * loss: TCP's own windows see only loopback, so a bare connection through the same process is what there is to be had.
 */
export async function distance({ quick, seconds, targets, report, dist }: Bench): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const bulk = targets["bulk"] ?? "";
  const echo = targets["echo"] ?? "";
  const bareTarget = `${loopback()}:7000`;
  const over = (link: LinkOptions) => {
    const through = async (target: string): Promise<string> => (await startLink(target, link, stack)).at;
    return { through, ours: startSallyport({ bulk, echo }, { dist, through }, stack) };
  };
  const far = over({ delay: FAR.roundTripMs / 2, rate: FAR.rate });
  const [bareBulk, bareEcho, { at: ours }, { at: line }] = await Promise.all([
    far.through(bareTarget),
    far.through(echo),
    far.ours,
    over({ delay: 10, rate: 25e6 }).ours,
  ]);
  const rows: (string | number)[][] = [];
  const opening: (string | number)[][] = [];
  for (const way of ["down", "up"] as const) {
    const read = async (target: string, at: string): Promise<readonly Interval[]> =>
      (await iperf({ target, at, streams: 1, way, seconds: WARM_UP + Math.ceil(seconds) })).intervals;
    const ratios: number[] = [];
    for (let round = 0; round < (quick ? 1 : 3); round += 1) {
      // Side by side: each has a line of its own, and they take half of what two cores can do.
      const [alone, tunnelled] = await Promise.all([read(bareTarget, bareBulk), read(bulk, ours["bulk"] ?? "")]);
      const [most, reached] = [rateAfter(alone, WARM_UP), rateAfter(tunnelled, WARM_UP)];
      ratios.push(reached / most);
      rows.push([`1 stream ${way}`, most / 1e6, reached / 1e6, reached / most]);
      const opened = [alone, tunnelled].map((each) => secondsUntil(each, OPEN * most) ?? "not in this reading");
      opening.push([`1 stream ${way}`, ...opened]);
    }
    report.atLeast(
      `${FAR.roundTripMs} ms, 1 Gb/s, 1 stream ${way}, against a bare connection`,
      median(ratios),
      0.9,
      "x",
    );
  }
  report.table(
    `Bulk at ${FAR.roundTripMs} ms and 1 Gb/s, after ${WARM_UP} s`,
    ["what", "bare MB/s", `${OURS} MB/s`, "ratio"],
    rows,
  );
  report.table(
    `Seconds until a stream has ${OPEN * 100} % of the bare connection's rate, at ${FAR.roundTripMs} ms and 1 Gb/s`,
    ["what", "bare", OURS],
    opening,
  );

  const at = ours["echo"] ?? "";
  await firstBytes(at, 1);
  const alone = (
    await Promise.all(
      [...Array.from({ length: 5 }).keys()].map((turn) =>
        new Promise((resolve) => setTimeout(resolve, turn * 150)).then(() => firstBytes(at, 1)),
      ),
    )
  ).flat();
  const crowd = await firstBytes(at, 64);
  const bareFirst = (await firstBytes(bareEcho, 1)).concat(await firstBytes(bareEcho, 1));
  report.table(
    `First byte at ${FAR.roundTripMs} ms, milliseconds`,
    ["through", "p50", "p99"],
    [
      ["bare (connect at once, one round trip)", percentile(bareFirst, 50), percentile(bareFirst, 99)],
      [`${OURS}, alone`, percentile(alone, 50), percentile(alone, 99)],
      [`${OURS}, 64 at once`, percentile(crowd, 50), percentile(crowd, 99)],
    ],
  );
  report.atMost(
    "first byte of a new connection, round trips between agent and edge",
    percentile(alone, 50) / FAR.roundTripMs,
    1.5,
    "x",
  );
  report.atMost("first byte of 64 at once, against one alone", percentile(crowd, 99) / percentile(alone, 50), 1.5, "x");

  await loadedEcho(report, quick, bulk, line);
}

/** Seconds in which bulk fills the line, before echoes are timed. */
const FILLING = 1;

/** A line of 200 Mb/s and 20 ms that eight bulk streams fill: what queues there is ours to keep short. */
async function loadedEcho(report: Bench["report"], quick: boolean, bulk: string, at: Targets): Promise<void> {
  const seconds = quick ? 1 : 5;
  const quiet = await echoTimes(at["echo"] ?? "", 200, seconds);
  const idle = percentile(quiet, 99);
  const rows: (string | number)[][] = [];
  for (const way of ["down", "up"] as const) {
    const load = iperf({
      target: bulk,
      at: at["bulk"] ?? "",
      streams: 8,
      way,
      seconds: Math.ceil(seconds + FILLING),
    });
    await new Promise((resolve) => setTimeout(resolve, FILLING * 1000));
    const times = await echoTimes(at["echo"] ?? "", 200, seconds);
    const { bytesPerSecond } = await load;
    rows.push([way, bytesPerSecond / 1e6, percentile(quiet, 50), idle, percentile(times, 50), percentile(times, 99)]);
    report.atMost(
      `echo p99 while 8 bulk streams fill a 200 Mb/s line ${way}, against idle`,
      percentile(times, 99) / idle,
      3,
      "x",
    );
  }
  report.table(
    "Echo over 200 Mb/s and 20 ms, 8 bulk streams",
    ["way", "bulk MB/s", "idle p50 ms", "idle p99", "loaded p50", "p99"],
    rows,
  );
}
