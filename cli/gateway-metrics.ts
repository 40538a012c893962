import type { Metric } from "../shared/exposition.ts";
import { VERSION } from "../shared/version.ts";
import type { Client } from "../link/client.ts";
import type { Observed } from "../link/metrics-server.ts";
import type { Counts } from "./listen/counts.ts";

export type GatewayReport = {
  client: Client;
  counts: Counts;
  /** Ports that are open. */
  listening: Readonly<Record<"tcp" | "udp", number>>;
  /** When the token ends, in seconds since 1970. */
  expires: number;
};

/** What Prometheus is told of a gateway. It is ready when it is connected to every site it serves. */
export function observed({ client, counts, listening, expires }: GatewayReport): Observed {
  const links = [...client.links];
  const away = links.filter(({ isConnected }) => !isConnected).map(({ site }) => site);
  const ready = links.length > 0 && away.length === 0;
  const transports = Object.entries(counts.transports);
  const metrics: Metric[] = [
    {
      name: "sallyport_gateway_info",
      type: "gauge",
      help: "Version of this gateway.",
      samples: [[{ version: VERSION }, 1]],
    },
    {
      name: "sallyport_gateway_connected",
      type: "gauge",
      help: "1 while the gateway has a lane to the site's relay.",
      samples: links.map(({ site, isConnected }) => [{ site }, isConnected ? 1 : 0]),
    },
    {
      name: "sallyport_gateway_rtt_seconds",
      type: "gauge",
      help: "Round trip to the edge, of the last ping.",
      samples: links.flatMap(({ site, rtt }) => (rtt === null ? [] : [[{ site }, rtt / 1000] as const])),
    },
    {
      name: "sallyport_gateway_ports",
      type: "gauge",
      help: "Public ports that are open.",
      samples: Object.entries(listening).map(([transport, count]) => [{ transport }, count]),
    },
    {
      name: "sallyport_gateway_streams_open",
      type: "gauge",
      help: "Visitors' streams and flows that are open.",
      samples: transports.map(([kind, { opened, ended }]) => [{ kind }, opened - ended]),
    },
    {
      name: "sallyport_gateway_streams_total",
      type: "counter",
      help: "Visitors' streams and flows so far.",
      samples: transports.map(([kind, { opened }]) => [{ kind }, opened]),
    },
    {
      name: "sallyport_gateway_bytes_total",
      type: "counter",
      help: "Bytes carried; in is from visitors.",
      samples: transports.flatMap(([kind, { bytesIn, bytesOut }]) => [
        [{ kind, direction: "in" }, bytesIn],
        [{ kind, direction: "out" }, bytesOut],
      ]),
    },
    {
      name: "sallyport_gateway_failures_total",
      type: "counter",
      help: "Streams and flows refused or ended early, by code.",
      samples: [...counts.failures].map(([code, count]) => [{ code }, count]),
    },
    {
      name: "sallyport_gateway_datagrams_dropped_total",
      type: "counter",
      help: "Datagrams dropped here, by reason.",
      samples: Object.entries(counts.drops).map(([reason, count]) => [{ reason }, count]),
    },
    {
      name: "sallyport_gateway_token_expires_timestamp_seconds",
      type: "gauge",
      help: "When the token ends.",
      samples: [[{}, expires]],
    },
  ];
  return { metrics, ready, state: ready ? "connected" : `connecting: ${away.join(" ") || "no site yet"}` };
}
