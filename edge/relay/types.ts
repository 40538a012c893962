import type { ConnectionRecord } from "../registry/types.ts";
import type { Usage } from "./meter.ts";

export type LaneStatus = { index: number; since: number; backlog: number; droppedDatagrams: number };

/** An agent, client or gateway that has lanes here. */
export type EndStatus = {
  kind: "agent" | "client" | "gateway";
  identity: string;
  incarnation: string;
  /** Slot of an agent, channel of a caller. */
  slot: number;
  version: string;
  /** Milliseconds since the epoch. */
  since: number;
  /** Address that it dialled from. */
  address: string;
  jti: string;
  /** Seconds since the epoch. */
  expires: number;
  /** The latest round trip between it and the relay, in milliseconds; null when none was measured. */
  roundTripMs: number | null;
  lanes: LaneStatus[];
};

/** `streams`: open streams of visitors at the edge's own ports and hosts. */
export type AgentStatus = EndStatus & { streams: number };

export type LiveStream = {
  /** Identifies the stream in the logs of the edge and the agent. */
  ref: string;
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
  /** New for each instance of the Durable Object, so also after hibernation. */
  instance: string;
  boot: string;
  revision: number;
  agents: AgentStatus[];
  callers: EndStatus[];
  /** Datagrams dropped because a lane's backlog was too large, since this instance began. */
  droppedDatagrams: number;
  live: LiveStream[];
  /** The last refusal of each mapping, by mapping id. */
  refusals: Record<string, Refusal>;
  /** Why no agent would dial the target, by the id of the mapping. */
  unreachable: Record<string, string>;
  /** Ended connections that are not reported to the registry yet. */
  recent: ConnectionRecord[];
  /** Records dropped because too many came at once, or because the registry could not be reached for long. */
  droppedRecords: number;
  /** Usage that is not reported to the registry yet. */
  usage: Usage;
};
