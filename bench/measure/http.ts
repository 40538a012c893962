import os from "node:os";
import type { Bench } from "../harness/context.ts";
import type { Peer } from "../harness/peer.ts";
import { interleaved, ratio, spreadOf, valueOf, withCpu, type Reading, type Series } from "../harness/rounds.ts";
import { percentile, short } from "../harness/stats.ts";
import { requestTimes } from "../load/requests.ts";
import { wrk } from "../load/wrk.ts";
import { waysTo } from "./http-ways.ts";

const CONNECTIONS = 32;
/** Before anything is recorded every way has as many requests: what engines spend on compiling is not what a request costs. */
const WARM = { perSecond: 640, seconds: 2.5 };
/** CPU seconds per 1,000 requests that are told, and what is all of them. */
const PARTS = ["workerd", "agent", "proxy", "origin", "wrk"] as const;
/** Without an agent: left out where times are measured. */
const TIMELESS = ["floor: Worker and object", "floor: TCP"];

/** Requests a second for a page of 1 KB over kept-alive connections; and, open loop, percentiles at half of what the slowest way takes. */
export async function http(bench: Bench): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const { quick, rounds, seconds, targets, report } = bench;
  const ways = await waysTo(targets["http"] ?? "", bench, stack);
  const hosts = new Map(ways.map(({ name, host }) => [name, host]));
  const peers = ways.map(({ name, at, processes }): Peer => ({ name, kind: "baseline", at: { http: at }, processes }));
  const times = (peer: Peer, perSecond: number, length: number): Promise<number[]> =>
    requestTimes({
      at: peer.at["http"] ?? "",
      host: hosts.get(peer.name) ?? "",
      path: "/page",
      perSecond,
      seconds: length,
      connections: CONNECTIONS,
    });
  await Promise.all(peers.map((peer) => times(peer, WARM.perSecond, WARM.seconds)));

  const series = await interleaved(peers, rounds, async (peer) => {
    const { result, cpu } = await withCpu(peer, () =>
      wrk(peer.at["http"] ?? "", hosts.get(peer.name) ?? "", CONNECTIONS, seconds),
    );
    const spent = Object.entries({ ...cpu, "cpu wrk": result["cpu"] ?? 0 });
    const perThousand = spent.map(([name, used]) => [name, (used * 1000) / (result["requests"] ?? 0)] as const);
    const all = perThousand.reduce((sum, [, used]) => sum + used, 0);
    return { ...result, ...(Object.fromEntries(perThousand) as Reading), "cpu all": all };
  });
  report.table(
    `HTTP, 1 KB, keep-alive, ${CONNECTIONS} connections; CPU seconds per 1,000 requests`,
    [
      "through",
      "requests/s",
      "spread",
      "p50 ms",
      "p99 ms",
      ...PARTS,
      "in all",
      `${os.availableParallelism()} cores by that`,
    ],
    series.map(row),
  );
  const of = (name: string, to: string): number => ratio(series, "rps", name, to);
  const floors = [of("floor: object and agent", "workerd alone"), of("floor: Worker and object", "workerd alone")];
  report.atLeast(
    "HTTP endpoint, requests/s, against the same workerd by itself",
    of("HTTP endpoint", "workerd alone"),
    0.25,
    "x",
    `floor ${short(floors[0] ?? Number.NaN)}x; Worker and object without an agent ${short(floors[1] ?? Number.NaN)}x`,
  );
  report.atLeast(
    "HTTP over a TCP mapping, requests/s, against nginx proxying",
    of("TCP mapping", "nginx"),
    0.4,
    "x",
    `floor ${short(of("floor: TCP", "nginx"))}x`,
  );

  // All ways at one rate, so that what differs is the way.
  const timed = peers.filter(({ name }) => !TIMELESS.includes(name));
  const rate = Math.floor(Math.min(...series.map((each) => valueOf(each, "rps"))) / 2);
  // Of all rounds together: what stops everything once in eight seconds is in no median of short ones.
  const taken = new Map<string, number[]>();
  const open = await interleaved(timed, quick ? 1 : rounds, async (peer) => {
    const found = await times(peer, rate, seconds);
    taken.set(peer.name, (taken.get(peer.name) ?? []).concat(found));
    return {};
  });
  const took = (name: string, rank: number): number => percentile(taken.get(name) ?? [], rank);
  report.table(
    `HTTP, 1 KB, open loop, ${rate} requests/s over ${CONNECTIONS} connections, milliseconds from when each was meant to leave`,
    ["through", "p50", "p99", "p99.9"],
    open.map(({ peer }) => [peer.name, ...[50, 99, 99.9].map((rank) => took(peer.name, rank))]),
  );
  report.atMost(
    "HTTP endpoint, p99 at half load, against direct",
    took("HTTP endpoint", 99) / took("direct", 99),
    3,
    "x",
    `open loop, ${rate} requests/s; floor ${short(took("floor: object and agent", 99) / took("direct", 99))}x`,
  );
}

function row(each: Series): (string | number)[] {
  const all = valueOf(each, "cpu all");
  return [
    each.peer.name,
    valueOf(each, "rps"),
    `+-${short(spreadOf(each, "rps") * 100)} %`,
    valueOf(each, "p50"),
    valueOf(each, "p99"),
    ...[...PARTS].map((part) => valueOf(each, `cpu ${part}`)),
    all,
    (os.availableParallelism() * 1000) / all,
  ];
}
