import type { Metric } from "../shared/exposition.ts";
import { VERSION } from "../shared/wire/version.ts";
import type { Client } from "../link/client.ts";
import type { Observed } from "../link/metrics-server.ts";
import type { Counts } from "./counts.ts";

/** The kind of program that the metrics are about; their names contain it. */
export type CallerKind = "client" | "gateway";

export type CallerReport = {
  client: Client;
  counts: Counts;
  /** Ports that are open here. */
  listening: Readonly<Record<"tcp" | "udp", number>>;
  /** When the token ends, in seconds since 1970. */
  expires: number;
};

/** Builds the metrics of a client or gateway for Prometheus. It is ready when it is connected to every site it serves. */
export function observed(program: CallerKind, { client, counts, listening, expires }: CallerReport): Observed {
  const prefix = `sallyport_${program}`;
  const links = [...client.links];
  const offline = links.filter(({ isConnected }) => !isConnected).map(({ site }) => site);
  const ready = links.length > 0 && offline.length === 0;
  const transports = Object.entries(counts.transports);
  const metrics: Metric[] = [
    {
      name: `${prefix}_info`,
      type: "gauge",
      help: "Version of this program.",
      samples: [[{ version: VERSION }, 1]],
    },
    {
      name: `${prefix}_connected`,
      type: "gauge",
      help: "1 while there is a lane to the site's relay.",
      samples: links.map(({ site, isConnected }) => [{ site }, isConnected ? 1 : 0]),
    },
    {
      name: `${prefix}_rtt_seconds`,
      type: "gauge",
      help: "Round trip to the edge, of the last ping.",
      samples: links.flatMap(({ site, rtt }) => (rtt === null ? [] : [[{ site }, rtt / 1000] as const])),
    },
    {
      name: `${prefix}_ports`,
      type: "gauge",
      help: "Ports that are open here.",
      samples: Object.entries(listening).map(([transport, count]) => [{ transport }, count]),
    },
    {
      name: `${prefix}_streams_open`,
      type: "gauge",
      help: "Visitors' streams and flows that are open.",
      samples: transports.map(([kind, { opened, ended }]) => [{ kind }, opened - ended]),
    },
    {
      name: `${prefix}_streams_total`,
      type: "counter",
      help: "Visitors' streams and flows so far.",
      samples: transports.map(([kind, { opened }]) => [{ kind }, opened]),
    },
    {
      name: `${prefix}_bytes_total`,
      type: "counter",
      help: "Bytes carried; in is from visitors.",
      samples: transports.flatMap(([kind, { bytesIn, bytesOut }]) => [
        [{ kind, direction: "in" }, bytesIn],
        [{ kind, direction: "out" }, bytesOut],
      ]),
    },
    {
      name: `${prefix}_failures_total`,
      type: "counter",
      help: "Streams and flows refused or ended early, by code.",
      samples: [...counts.failures].map(([code, count]) => [{ code }, count]),
    },
    {
      name: `${prefix}_datagrams_dropped_total`,
      type: "counter",
      help: "Datagrams dropped here, by reason.",
      samples: Object.entries(counts.drops).map(([reason, count]) => [{ reason }, count]),
    },
    {
      name: `${prefix}_token_expires_timestamp_seconds`,
      type: "gauge",
      help: "When the token ends.",
      samples: [[{}, expires]],
    },
  ];
  return { metrics, ready, state: ready ? "connected" : `connecting: ${offline.join(" ") || "no site yet"}` };
}
