import { createServer } from "node:http";
import { exposition, type Metric } from "../shared/exposition.ts";
import { formatSocketAddress, type SocketAddress } from "../shared/address/socket-address.ts";
import { EXIT, Problem } from "./problem.ts";

/** The metrics and the state of a program. */
export type Observed = {
  metrics: readonly Metric[];
  /** Whether it is connected to its edge. */
  ready: boolean;
  /** The state in a few words. */
  state: string;
};

/** Answers Prometheus at /metrics, and probes at /healthz (the process) and /ready (the connection). Throws Problem when it can't listen. */
export async function serveMetrics(
  at: SocketAddress,
  observe: () => Observed,
): Promise<AsyncDisposable & { port: number }> {
  const server = createServer((request, response) => {
    request.resume();
    switch (request.url?.split("?")[0]) {
      case "/metrics":
        response.writeHead(200, { "content-type": "text/plain; version=0.0.4; charset=utf-8" });
        response.end(exposition([...observe().metrics, ...processMetrics()]));
        return;
      case "/healthz":
        response.end("ok\n");
        return;
      case "/ready": {
        const { ready, state } = observe();
        response.writeHead(ready ? 200 : 503).end(`${state}\n`);
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

const started = Date.now();

function processMetrics(): Metric[] {
  const { user, system } = process.cpuUsage();
  return [
    {
      name: "process_start_time_seconds",
      type: "gauge",
      help: "When the process started.",
      samples: [[{}, started / 1000]],
    },
    {
      name: "process_resident_memory_bytes",
      type: "gauge",
      help: "Resident memory.",
      samples: [[{}, process.memoryUsage.rss()]],
    },
    {
      name: "process_cpu_seconds_total",
      type: "counter",
      help: "Processor time used.",
      samples: [[{}, (user + system) / 1e6]],
    },
  ];
}
