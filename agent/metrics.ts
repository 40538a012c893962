import type { Metric } from "../shared/exposition.ts";
import type { Observed } from "../link/metrics-server.ts";
import type { AgentReport } from "./control/report.ts";

export function observed(report: AgentReport): Observed {
  const { state, lastFault } = report;
  return {
    metrics: metricsOf(report),
    ready: state === "connected",
    state: `${state}${lastFault === null ? "" : `: ${lastFault}`}`,
  };
}

/** Builds the metrics of an agent for Prometheus. */
export function metricsOf(report: AgentReport): Metric[] {
  const { site, version, kinds, failures, drops } = report;
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
      name: "sallyport_agent_datagrams_dropped_total",
      type: "counter",
      help: "Datagrams dropped here, by reason.",
      samples: Object.entries(drops).map(([reason, count]) => [{ reason }, count]),
    },
  ];
}
