import { formatHostPort, parseListen, type SocketAddress } from "../shared/address/socket-address.ts";
import type { Log } from "../link/log.ts";
import { serveMetrics } from "../link/metrics-server.ts";
import { Problem } from "../link/problem.ts";
import { observed, type CallerKind, type CallerReport } from "./caller-metrics.ts";

/** Parses the value of `--metrics`: ADDRESS:PORT, or a port on loopback; null if it is not given. Throws Problem(usage). */
export function metricsAddress(text: string | undefined): SocketAddress | null {
  if (text === undefined) return null;
  const parsed = parseListen(text);
  if (parsed.ok) return parsed.value;
  throw Problem.usage(parsed.error.code, `--metrics: ${parsed.error.message}`, parsed.error.fix ?? "");
}

/** Answers Prometheus about a client or gateway until it is disposed of. Throws Problem when it can't listen. */
export async function callerMetrics(
  at: SocketAddress,
  kind: CallerKind,
  report: () => CallerReport,
  log: Log,
): Promise<AsyncDisposable> {
  const server = await serveMetrics(at, () => observed(kind, report()));
  log("info", "metrics", { url: `http://${formatHostPort(at.address.text, server.port)}/metrics` });
  return server;
}
