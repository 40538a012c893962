import { execute, run } from "../../test/support/run.ts";
import { hostPort } from "./peer.ts";

export interface Bulk {
  /** Where the server listens. */
  readonly target: string;
  /** Where the client connects. */
  readonly at: string;
  readonly streams: number;
  /** `down`: towards the visitor. */
  readonly way: "up" | "down";
  /** Seconds that count, and seconds before them that don't. */
  readonly seconds: number;
  readonly omit?: number;
  /** Bytes that are written at once. */
  readonly length?: number;
}

/** Bytes a second through `at`, as the receiver counts them. A server of its own for each run: iperf3's are easily confused. */
export async function iperf({
  target,
  at,
  streams,
  way,
  seconds,
  omit = 0,
  length,
}: Bulk): Promise<{ bytesPerSecond: number; bytes: number }> {
  const from = hostPort(target);
  await using server = run("iperf3", ["-s", "-1", "-B", from.host, "-p", String(from.port), "--forceflush"]);
  await server.until(/Server listening/);
  const { host, port } = hostPort(at);
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
    "-O",
    String(omit),
    ...(way === "down" ? ["-R"] : []),
    ...(length === undefined ? [] : ["-l", String(length)]),
  ];
  const { stdout, stderr } = await execute("timeout", [String(seconds + omit + 20), "iperf3", ...words]);
  const report = JSON.parse(stdout === "" ? "{}" : stdout) as {
    error?: string;
    end?: { sum_received?: { bytes: number; bits_per_second: number } };
  };
  const received = report.end?.sum_received;
  if (report.error !== undefined || received === undefined)
    throw new Error(`iperf3 through ${at}: ${report.error ?? stderr}`);
  return { bytesPerSecond: received.bits_per_second / 8, bytes: received.bytes };
}
