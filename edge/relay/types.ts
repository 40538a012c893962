import type { ConnectionRecord } from "../registry/types.ts";
import type { Usage } from "./meter.ts";

export type LaneStatus = { index: number; since: number; backlog: number; droppedDatagrams: number };

export type AgentStatus = {
  identity: string;
  incarnation: string;
  slot: number;
  version: string;
  /** Milliseconds since the epoch. */
  since: number;
  /** Address the agent dialled from. */
  address: string;
  jti: string;
  /** Seconds since the epoch. */
  expires: number;
  streams: number;
  lanes: LaneStatus[];
};

export type LiveStream = {
  at: number;
  mapping: number;
  endpoint: string;
  target: string;
  visitor: string;
  agent: string;
  bytesIn: number;
  bytesOut: number;
};

export type Refusal = { at: number; code: string; reason: string };

export type RelayStatus = {
  /** New whenever the object is made anew: after hibernation, too. */
  instance: string;
  boot: string;
  revision: number;
  agents: AgentStatus[];
  live: LiveStream[];
  /** The last refusal of each mapping, by mapping id. */
  refusals: Record<string, Refusal>;
  /** Ended connections the registry has not been told of yet. */
  recent: ConnectionRecord[];
  /** What the registry has not been told of yet. */
  usage: Usage;
};
