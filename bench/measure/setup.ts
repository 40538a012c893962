import { floor } from "../adapters/floor.ts";
import { firstBytes } from "../load/echo.ts";
import type { Bench } from "../harness/context.ts";
import type { Peer, Targets } from "../harness/peer.ts";
import { interleaved, ratio, valueOf } from "../harness/rounds.ts";
import { percentile } from "../harness/stats.ts";

const AT_ONCE = 64;

/** Connect, send one byte, get it back: one connection after the other, and 64 at once. */
export async function setup({ quick, rounds, peers, targets, report }: Bench): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const series = await interleaved(await withFloor(peers, targets, stack), rounds, async (peer) => {
    const at = peer.at["echo"] ?? "";
    await firstBytes(at, 4);
    const alone: number[] = [];
    for (let count = 0; count < (quick ? 50 : 200); count += 1) alone.push(...(await firstBytes(at, 1)));
    const crowd: number[] = [];
    for (let count = 0; count < (quick ? 2 : 5); count += 1) crowd.push(...(await firstBytes(at, AT_ONCE)));
    return {
      p50: percentile(alone, 50),
      p99: percentile(alone, 99),
      crowd50: percentile(crowd, 50),
      crowd99: percentile(crowd, 99),
      perSecond: AT_ONCE / (percentile(crowd, 99) / 1000),
    };
  });
  report.table(
    "Set-up and first byte, milliseconds (how far the edge is: see the high-latency link)",
    ["through", "alone p50", "p99", "64 at once p50", "p99", "connections/s then", "64 at once, of direct", "of floor"],
    series.map((each) => [
      each.peer.name,
      ...["p50", "p99", "crowd50", "crowd99", "perSecond"].map((name) => valueOf(each, name)),
      ...["direct", "floor"].map((name) => ratio(series, "crowd50", each.peer.name, name)),
    ]),
  );
}

/** A quick run has no floor among its peers; here it is what ours is held against. */
async function withFloor(peers: readonly Peer[], targets: Targets, stack: AsyncDisposableStack): Promise<Peer[]> {
  if (peers.some(({ name }) => name === floor.name)) return [...peers];
  return [{ ...floor, ...(await floor.serve(targets, stack)) }, ...peers];
}
