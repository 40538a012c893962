import type { Drops } from "../../shared/session/flow.ts";
import type { Kind } from "../../shared/wire/open.ts";
import type { KindCounts } from "../counters.ts";

/** What `agent status --json` prints. Times are in ISO 8601, durations in milliseconds. */
export type AgentReport = {
  state: "connected" | "connecting" | "draining";
  /** When that state began; null before the first connection. */
  since: string | null;
  site: string;
  identity: string;
  edge: string;
  version: string;
  pid: number;
  started: string;
  /** Round trip of the last ping; null before the first answer. */
  rtt: number | null;
  /** Why the agent was last disconnected; null if it never was. */
  lastFault: string | null;
  token: { jti: string; expires: string; file: string | null };
  targets: string[];
  allow: string[];
  deny: string[];
  config: string | null;
  metrics: string | null;
  streams: number;
  kinds: Record<Kind, KindCounts>;
  failures: Record<string, number>;
  connects: number;
  /** Datagrams dropped here, by reason. */
  drops: Drops;
  /** Targets that streams were opened to, the latest last. */
  dialled?: string[];
};
