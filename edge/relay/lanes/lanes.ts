import { LANE_CLOSE } from "../../../shared/wire/errors.ts";
import { NO_DEMAND, type Demand } from "../../../shared/session/division.ts";
import { DEAD_MS } from "../../../shared/wire/limits.ts";
import type { LanePass } from "./attachment.ts";
import { IdentityBacklogs } from "./identity-backlogs.ts";
import { Lane } from "./lane.ts";
import { readDemand } from "./stored-demand.ts";

/** The lanes of one agent incarnation, or of one caller. */
export type End = {
  readonly kind: "agent" | "client" | "gateway";
  readonly identity: string;
  readonly incarnation: string;
  /** Slot of an agent, channel of a caller. */
  readonly number: number;
  readonly lanes: Map<number, Lane>;
  demand: Demand;
};

/** All lanes of a relay, by socket and by end; rebuilt from attachments after hibernation. */
export class Lanes {
  /** Datagrams dropped because a backlog was too large, on all lanes so far. */
  droppedDatagrams = 0;
  readonly backlogs = new IdentityBacklogs();
  readonly #bySocket = new Map<WebSocket, Lane>();
  /** Lanes that the relay has closed and whose ends have not disconnected yet. */
  readonly #closing = new Map<WebSocket, Lane>();
  readonly #agents = new Map<number, End>();
  readonly #callers = new Map<number, End>();

  constructor(sockets: WebSocket[]) {
    for (const socket of sockets) {
      const lane = new Lane(socket, this.backlogs);
      const { ready, renewOnly, standby, closed } = lane.attachment;
      if (closed === true) {
        this.#closing.set(socket, lane);
        continue;
      }
      this.#bySocket.set(socket, lane);
      if (ready !== null && renewOnly !== true && standby !== true) this.enter(lane);
    }
  }

  get agents(): End[] {
    return [...this.#agents.values()];
  }

  get callers(): End[] {
    return [...this.#callers.values()];
  }

  /** Agents and callers. */
  get ends(): End[] {
    return [...this.#agents.values(), ...this.#callers.values()];
  }

  /** Boot id of lanes that an earlier instance accepted; undefined when there are none. */
  get boot(): string | undefined {
    for (const lane of this.#bySocket.values()) if (lane.attachment.ready !== null) return lane.attachment.ready.boot;
    return undefined;
  }

  add(socket: WebSocket): Lane {
    const lane = new Lane(socket, this.backlogs);
    this.#bySocket.set(socket, lane);
    return lane;
  }

  of(socket: WebSocket): Lane | undefined {
    return this.#bySocket.get(socket);
  }

  all(): Iterable<Lane> {
    return this.#bySocket.values();
  }

  agent(slot: number): End | undefined {
    return this.#agents.get(slot);
  }

  caller(channel: number): End | undefined {
    return this.#callers.get(channel);
  }

  /** Sends a frame to an agent on the given lane, or on its lowest one if that is lost. Does nothing when the agent has left. */
  send(slot: number, frame: Uint8Array, lane: number): void {
    const end = this.agent(slot);
    if (end !== undefined) laneOf(end, lane)?.send(frame);
  }

  /** Bytes of the largest frame of bulk data that this lane of an agent accepts now; 0: none. */
  maxFrame(slot: number, lane: number): number {
    const end = this.agent(slot);
    return end === undefined ? 0 : (laneOf(end, lane)?.maxFrame ?? 0);
  }

  /** Returns the end with this identity and incarnation, if it has lanes here. */
  find({ kind, identity }: LanePass, incarnation: string): End | undefined {
    const ends = kind === "agent" ? this.#agents : this.#callers;
    for (const end of ends.values()) if (end.identity === identity && end.incarnation === incarnation) return end;
    return undefined;
  }

  /** Whether an agent process with this identity is connected. */
  isServed(identity: string): boolean {
    return this.agents.some((end) => end.identity === identity);
  }

  /** Adds a lane that has sent HELLO to its end. An older lane with the same index is closed, and its backlog is lost. */
  enter(lane: Lane): { end: End; replaced: boolean } {
    const { kind, identity, ready } = lane.attachment;
    if (ready === null) throw new Error("a lane enters after HELLO");
    const ends = kind === "agent" ? this.#agents : this.#callers;
    let end = ends.get(ready.number);
    if (end === undefined) {
      end = {
        kind,
        identity,
        incarnation: ready.incarnation,
        number: ready.number,
        lanes: new Map(),
        demand: NO_DEMAND,
      };
      ends.set(ready.number, end);
    }
    const { demand } = lane.attachment;
    if (demand !== undefined) end.demand = readDemand(demand);
    const older = end.lanes.get(ready.lane);
    end.lanes.set(ready.lane, lane);
    const replaced = older !== undefined && older !== lane;
    if (replaced) {
      this.#bySocket.delete(older.socket);
      this.#closing.set(older.socket, older);
      older.close(LANE_CLOSE.replaced, "a newer lane of this index took over");
    }
    return { end, replaced };
  }

  /** Handles a socket that is closed at both ends: nothing is queued for it any longer. */
  disconnected(socket: WebSocket): void {
    (this.#bySocket.get(socket) ?? this.#closing.get(socket))?.disconnected();
    this.#closing.delete(socket);
  }

  /** Removes a lane; returns its end if that has no lane left. */
  leave(socket: WebSocket): End | undefined {
    const lane = this.#bySocket.get(socket);
    this.#bySocket.delete(socket);
    if (lane !== undefined && !lane.isDisconnected) this.#closing.set(socket, lane);
    const ready = lane?.attachment.ready;
    if (lane === undefined || ready === null || ready === undefined) return undefined;
    const ends = lane.attachment.kind === "agent" ? this.#agents : this.#callers;
    const end = ends.get(ready.number);
    if (end?.lanes.get(ready.lane) !== lane) return undefined;
    end.lanes.delete(ready.lane);
    if (end.lanes.size > 0) return undefined;
    ends.delete(ready.number);
    return end;
  }
}

/** Whether an agent takes new streams: a lane was heard within DEAD_MS, and its token is valid. `now` in milliseconds since 1970. */
export function isServing(end: End, lastHeard: (lane: Lane) => number, now: number): boolean {
  return [...end.lanes.values()].some(
    (lane) => lastHeard(lane) >= now - DEAD_MS && lane.attachment.expires * 1000 > now,
  );
}

/** Returns the lane with this index, or the lowest one if that is lost. */
export function laneOf(end: End, index: number): Lane | undefined {
  const named = end.lanes.get(index);
  if (named !== undefined) return named;
  let lowest: number | undefined;
  for (const each of end.lanes.keys()) if (lowest === undefined || each < lowest) lowest = each;
  return lowest === undefined ? undefined : end.lanes.get(lowest);
}
