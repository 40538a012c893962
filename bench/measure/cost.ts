import { setTimeout as pause } from "node:timers/promises";
import type { UsageList } from "../../shared/rule/api.ts";
import { startEdge, type Edge } from "../adapters/sallyport.ts";
import type { Bench } from "../harness/context.ts";
import { iperf } from "../harness/iperf.ts";
import type { Targets } from "../harness/peer.ts";
import { firstBytes } from "../load/echo.ts";
import { call, cameraServer, type, udpEcho, watch } from "../load/paced.ts";

const CALLS = 10;
/** Messages of a relay that are billed as one request, and GB that one of its active seconds counts. */
const MESSAGES_A_REQUEST = 20;
const GIGABYTES = 0.128;
/** Each site has a port by which its count is asked for, from here on. */
const FIRST_DOOR = 5_100;

/** What is counted, on a site of its own. */
interface Load {
  readonly name: string;
  readonly site: string;
  readonly rules: Targets;
  /** Loads the edge at this host, and answers by what that is to be multiplied. */
  readonly run: (host: string) => Promise<number>;
}

/** By what its cost is to be multiplied, and how long it took. */
type Carried = Pick<Load, "name" | "site"> & { times: number; seconds: number };

/**
 * What Cloudflare would bill, as the relay itself counts it: an hour of a call, a day of a camera and of SSH, a day in which
 * nothing happens, all at once, for they go at their own pace; then a GB each way.
 */
export async function cost(bench: Bench): Promise<() => Promise<void>> {
  await using stack = new AsyncDisposableStack();
  const [paced, bulk] = [await pacedLoads(bench, stack), bulkLoads(bench)];
  const loads = [...bulk, ...paced];
  const doors = new Map(loads.map(({ site }, index) => [site, FIRST_DOOR + index]));
  const tcp = [...doors.values(), ...BULK_PORTS].join(",");
  const serve = ["--tcp", tcp, "--udp", CALL_PORTS.join(","), "--ports", `${CAMERA_PORT},${SSH_PORT}`];
  const edge = await startEdge({ dist: bench.dist, serve }, stack);
  const echo = bench.targets["echo"] ?? "";
  await Promise.all(loads.map(({ site, rules }) => edge.join(site, { ...rules, [`${doors.get(site)}/tcp`]: echo })));
  const usage = await usageOf(edge, doors);
  const rows = new Map<string, number[]>();
  const carry = async (load: Load): Promise<Carried> => {
    const begun = performance.now();
    const times = await load.run(edge.host);
    return { ...load, times, seconds: (performance.now() - begun) / 1000 };
  };
  const count = async (carried: readonly Carried[]): Promise<void> => {
    const used = await usage();
    for (const { name, site, times, seconds } of carried) {
      const { requests = 0, messages = 0, activeSeconds = 0 } = used.get(site) ?? {};
      // The relay is active for no longer than the load lasts: the rest is our asking.
      rows.set(name, billed({ requests, messages, activeSeconds: Math.min(seconds, activeSeconds) }, times));
    }
  };
  await count(await Promise.all(paced.map(carry)));
  const idle = await (await bench.idle()).read();
  rows.set(
    "idle agent, a day",
    billed({ requests: 0, messages: idle.messages, activeSeconds: 0 }, 86_400 / idle.seconds),
  );
  const rest = stack.move();
  return async () => {
    await using _ = rest;
    const carried: Carried[] = [];
    for (const load of bulk) carried.push(await carry(load));
    await count(carried);
    bench.report.table(
      "What a relay is billed for, by its own count",
      ["what", "messages in", "requests billed", "active s", "GB-s"],
      [...rows].map(([name, figures]) => [name, ...figures]),
    );
    bench.report.atMost(
      "messages that wake the relay of an idle agent, an hour",
      (idle.messages * 3_600) / idle.seconds,
      0,
      "",
      `watched for ${Math.round(idle.seconds)} s`,
    );
  };
}

const CALL_PORTS = [5_005, 5_006] as const;
const CAMERA_PORT = 5_007;
const SSH_PORT = 5_008;
const BULK_PORTS = [5_001, 5_002] as const;

async function pacedLoads({ quick, targets }: Bench, stack: AsyncDisposableStack): Promise<Load[]> {
  const far = stack.use(await udpEcho());
  const camera = stack.use(await cameraServer());
  const talked = quick ? 3 : 10;
  const filmed = quick ? 5 : 30;
  const typed = quick ? 6 : 30;
  const calls = (name: string, site: string, port: number, together: number): Load => ({
    name,
    site,
    rules: { [`${port}/udp`]: far.at },
    run: async (host) => {
      await call(`${host}:${port}`, together, talked);
      return 3_600 / talked / together;
    },
  });
  return [
    calls("1 call, an hour", "call", CALL_PORTS[0], 1),
    calls(`each of ${CALLS} calls at once, an hour`, "calls", CALL_PORTS[1], CALLS),
    {
      name: "a camera at 4 Mbit/s, a day",
      site: "camera",
      rules: { [`${CAMERA_PORT}/tcp`]: camera.at },
      run: async (host) => {
        await watch(`${host}:${CAMERA_PORT}`, filmed);
        return 86_400 / filmed;
      },
    },
    {
      name: "SSH, a key every 2 s, 8 h",
      site: "ssh",
      rules: { [`${SSH_PORT}/tcp`]: targets["echo"] ?? "" },
      run: async (host) => {
        await type(`${host}:${SSH_PORT}`, typed);
        return (8 * 3_600) / typed;
      },
    },
  ];
}

function bulkLoads({ seconds, targets }: Bench): Load[] {
  const target = targets["bulk"] ?? "";
  return (["down", "up"] as const).map((way, index) => ({
    name: `1 GB ${way}`,
    site: way,
    rules: { [`${BULK_PORTS[index]}/tcp`]: target },
    run: async (host) => {
      const at = `${host}:${BULK_PORTS[index]}`;
      return 1e9 / (await iperf({ target, at, streams: 1, way, seconds: Math.ceil(seconds) })).bytes;
    },
  }));
}

type Cost = { requests: number; messages: number; activeSeconds: number };

/** A row of the table, of what was used so many times. */
function billed({ requests, messages, activeSeconds }: Cost, times: number): number[] {
  const all = (requests + messages / MESSAGES_A_REQUEST) * times;
  return [messages * times, all, activeSeconds * times, activeSeconds * times * GIGABYTES];
}

/**
 * By the relays' own counts: what each site has used since this was last asked, without what asking costs. A count reaches
 * the registry with the end of a connection, so asking makes one through each site's door.
 */
async function usageOf(
  { api, host }: Edge,
  doors: ReadonlyMap<string, number>,
): Promise<() => Promise<Map<string, Cost>>> {
  const read = async (): Promise<Map<string, Cost>> => {
    await Promise.all([...doors.values()].map((port) => firstBytes(`${host}:${port}`, 1)));
    // Relays hand their records over once a second.
    await pause(1_500);
    const { usage } = await api<UsageList>("GET", "/usage");
    const sums = new Map<string, Cost>();
    for (const { site, requests, messages, activeMs } of usage) {
      const sum = sums.get(site);
      sums.set(site, {
        requests: (sum?.requests ?? 0) + requests,
        messages: (sum?.messages ?? 0) + messages,
        activeSeconds: (sum?.activeSeconds ?? 0) + activeMs / 1000,
      });
    }
    return sums;
  };
  const less = (a: Cost | undefined, b: Cost | undefined): Cost => ({
    requests: Math.max(0, (a?.requests ?? 0) - (b?.requests ?? 0)),
    messages: Math.max(0, (a?.messages ?? 0) - (b?.messages ?? 0)),
    activeSeconds: Math.max(0, (a?.activeSeconds ?? 0) - (b?.activeSeconds ?? 0)),
  });
  const first = await read();
  let last = await read();
  const own = new Map([...last].map(([site, sum]) => [site, { ...less(sum, first.get(site)), activeSeconds: 0 }]));
  return async () => {
    const [before, now] = [last, await read()];
    last = now;
    return new Map([...now].map(([site, sum]) => [site, less(less(sum, before.get(site)), own.get(site))]));
  };
}
