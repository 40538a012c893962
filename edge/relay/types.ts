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
  /** Address it dialled from. */
  address: string;
  jti: string;
  /** Seconds since the epoch. */
  expires: number;
  /** Milliseconds between the relay and it, lately; null when none was seen. */
  roundTripMs: number | null;
  lanes: LaneStatus[];
};

/** `streams`: of the edge's own visitors. */
export type AgentStatus = EndStatus & { streams: number };

export type LiveStream = {
  /** What the logs of both ends call it. */
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
  /** New whenever the object is made anew: after hibernation, too. */
  instance: string;
  boot: string;
  revision: number;
  agents: AgentStatus[];
  callers: EndStatus[];
  /** Refused because too much was on its way to an end, since this instance began. */
  droppedDatagrams: number;
  live: LiveStream[];
  /** The last refusal of each mapping, by mapping id. */
  refusals: Record<string, Refusal>;
  /** Mappings whose targets no agent dials, by id: why. */
  unreachable: Record<string, string>;
  /** Ended connections the registry has not been told of yet. */
  recent: ConnectionRecord[];
  /** Records that were dropped because too many came at once, or the registry was out of reach for long. */
  droppedRecords: number;
  /** What the registry has not been told of yet. */
  usage: Usage;
};
