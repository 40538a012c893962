import { createServer } from "node:http";
import { formatSocketAddress, type SocketAddress } from "../shared/socket-address.ts";
import { exposition, type Metric } from "../shared/exposition.ts";
import { EXIT, Problem } from "../link/problem.ts";
import type { AgentReport } from "./control/report.ts";

/** Answers Prometheus at /metrics, and probes at /healthz (the process) and /ready (the connection). Throws Problem when it can't listen. */
export async function serveMetrics(
  at: SocketAddress,
  report: () => AgentReport,
): Promise<AsyncDisposable & { port: number }> {
  const server = createServer((request, response) => {
    request.resume();
    switch (request.url?.split("?")[0]) {
      case "/metrics":
        response.writeHead(200, { "content-type": "text/plain; version=0.0.4; charset=utf-8" });
        response.end(exposition(metricsOf(report())));
        return;
      case "/healthz":
        response.end("ok\n");
        return;
      case "/ready": {
        const { state, lastFault } = report();
        response
          .writeHead(state === "connected" ? 200 : 503)
          .end(`${state}${lastFault === null ? "" : `: ${lastFault}`}\n`);
        return;
      }
      default:
        response.writeHead(404).end("there is /metrics, /healthz and /ready\n");
    }
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const cause = `metrics can't be served at ${formatSocketAddress(at)} (${error.code})`;
      reject(new Problem(EXIT.configuration, "metrics-address", cause, "choose another address with --metrics"));
    });
    server.listen({ host: at.address.text, port: at.port }, () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : at.port);
    });
  });
  server.unref();
  return {
    port,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** What Prometheus is told of an agent. */
export function metricsOf(report: AgentReport): Metric[] {
  const { site, version, kinds, failures } = report;
  const perKind = Object.entries(kinds);
  const seconds = (iso: string): number => Date.parse(iso) / 1000;
  return [
    {
      name: "sallyport_agent_info",
      type: "gauge",
      help: "Version and site of this agent.",
      samples: [[{ site, version }, 1]],
    },
    {
      name: "sallyport_agent_connected",
      type: "gauge",
      help: "1 while the agent has a lane to its edge.",
      samples: [[{}, report.state === "connecting" ? 0 : 1]],
    },
    {
      name: "sallyport_agent_connects_total",
      type: "counter",
      help: "Times the first lane came up.",
      samples: [[{}, report.connects]],
    },
    {
      name: "sallyport_agent_rtt_seconds",
      type: "gauge",
      help: "Round trip to the edge, of the last ping.",
      samples: report.rtt === null ? [] : [[{}, report.rtt / 1000]],
    },
    {
      name: "sallyport_agent_token_expires_timestamp_seconds",
      type: "gauge",
      help: "When the token ends.",
      samples: [[{}, seconds(report.token.expires)]],
    },
    {
      name: "sallyport_agent_streams_open",
      type: "gauge",
      help: "Streams and flows that are open.",
      samples: perKind.map(([kind, { opened, ended }]) => [{ kind }, opened - ended]),
    },
    {
      name: "sallyport_agent_streams_total",
      type: "counter",
      help: "Streams and flows opened.",
      samples: perKind.map(([kind, { opened }]) => [{ kind }, opened]),
    },
    {
      name: "sallyport_agent_bytes_total",
      type: "counter",
      help: "Bytes carried; in is towards targets.",
      samples: perKind.flatMap(([kind, { bytesIn, bytesOut }]) => [
        [{ kind, direction: "in" }, bytesIn],
        [{ kind, direction: "out" }, bytesOut],
      ]),
    },
    {
      name: "sallyport_agent_failures_total",
      type: "counter",
      help: "Streams refused or ended early, by code.",
      samples: Object.entries(failures).map(([code, count]) => [{ code }, count]),
    },
    {
      name: "process_start_time_seconds",
      type: "gauge",
      help: "When the process started.",
      samples: [[{}, seconds(report.started)]],
    },
    {
      name: "process_resident_memory_bytes",
      type: "gauge",
      help: "Resident memory.",
      samples: [[{}, process.memoryUsage.rss()]],
    },
    { name: "process_cpu_seconds_total", type: "counter", help: "Processor time used.", samples: [[{}, cpuSeconds()]] },
  ];
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
