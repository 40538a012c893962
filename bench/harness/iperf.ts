import { execute, run } from "../../test/support/run.ts";
import { hostPort } from "./peer.ts";
import { intervals, type Interval } from "./opening.ts";

export interface Bulk {
  /** Where the server listens. */
  readonly target: string;
  /** Where the client connects. */
  readonly at: string;
  readonly streams: number;
  /** `down`: towards the visitor; `both`: as many streams each way at once. */
  readonly way: "up" | "down" | "both";
  /** Seconds that count. */
  readonly seconds: number;
  /** Bytes that are written at once. */
  readonly length?: number;
  /** Words before the server's command that make it run elsewhere. */
  readonly within?: readonly string[];
}

/** What was carried, as the receiver counts it; when it went both ways, what came down. */
export interface Carried {
  readonly bytesPerSecond: number;
  readonly bytes: number;
  /** Of one stream: how fast it was from quarter to quarter of a second. */
  readonly intervals: readonly Interval[];
}

const INTERVAL = ["-i", "0.25"];

/** Carries bulk through `at`. A server of its own for each run: iperf3's are easily confused. */
export async function iperf({ target, at, streams, way, seconds, length, within = [] }: Bulk): Promise<Carried> {
  const from = hostPort(target);
  const every = streams === 1 ? INTERVAL : [];
  const serve = ["-s", "-1", "-B", from.host, "-p", String(from.port), "--forceflush", "-f", "K", ...every];
  const [program = "iperf3", ...rest] = [...within, "iperf3", ...serve];
  await using server = run(program, rest);
  await server.until(/Server listening/);
  const { host, port } = hostPort(at);
  const flags = { up: [], down: ["-R"], both: ["--bidir"] }[way];
  const size = length === undefined ? [] : ["-l", String(length)];
  const words = [
    "-c",
    host,
    "-p",
    String(port),
    "-P",
    String(streams),
    "-t",
    String(seconds),
    "-J",
    ...every,
    ...flags,
    ...size,
  ];
  const { stdout, stderr } = await execute("timeout", [String(seconds + 20), "iperf3", ...words]);
  const report = JSON.parse(stdout === "" ? "{}" : stdout) as Said;
  const received = report.end?.sum_received;
  if (report.error !== undefined || received === undefined)
    throw new Error(`iperf3 through ${at}: ${report.error ?? stderr}`);
  return {
    bytesPerSecond: received.bits_per_second / 8,
    bytes: received.bytes,
    intervals:
      way === "down"
        ? (report.intervals ?? []).map(({ sum }) => ({
            from: sum.start,
            to: sum.end,
            bytesPerSecond: sum.bits_per_second / 8,
          }))
        : intervals((await server.ended).stdout),
  };
}

type Said = {
  error?: string;
  intervals?: { sum: { start: number; end: number; bits_per_second: number } }[];
  end?: { sum_received?: { bytes: number; bits_per_second: number } };
};
