import { logFault } from "../../fault.ts";
import type { Failure } from "../../../shared/wire/errors.ts";
import { divide, sumDemands, type Demand } from "../../../shared/session/division.ts";
import { TYPE, type Frame } from "../../../shared/wire/frame.ts";
import { newSessionFields } from "../../../shared/wire/session-fields.ts";
import { MAX_DATA } from "../../../shared/wire/limits.ts";
import { assemble, type SessionEvent } from "../../../shared/session/assemble.ts";
import { TICK_MS, type Session, type SessionIo } from "../../../shared/session/session.ts";
import type { Lanes } from "../lanes/lanes.ts";
import { endOfTurn } from "./turn.ts";

export type SessionsHost = {
  lanes: Lanes;
  /** The session with an agent is over. */
  ended: (slot: number) => void;
  /** A second has passed, and there are visitors. */
  tick: () => void;
  /** Bytes of session windows to grant all agents together. */
  budget: () => number;
  /** `demand` has changed: the relay's budget is to be divided anew. */
  demands: () => void;
  /** Milliseconds that streams wait for their agent. */
  graceMs: number;
};

/** The relay's own caller, channel 0: one session with each agent, for visitors at the edge's ports and hosts. */
export class Sessions {
  readonly #host: SessionsHost;
  readonly #sessions = new Map<number, Session>();
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(host: SessionsHost) {
    this.#host = host;
  }

  /** Live streams of an agent, or of all. */
  streams(slot?: number): number {
    let count = 0;
    for (const [each, session] of this.#sessions)
      if (slot === undefined || each === slot) count += session.streams.size;
    return count;
  }

  /** What the visitors of all agents need of session windows. */
  get demand(): Demand {
    return sumDemands([...this.#sessions.values()].map(({ demand }) => demand));
  }

  /** The session with an agent; a new one is said with SESSION, and used at once. */
  session(slot: number): Session {
    const existing = this.#sessions.get(slot);
    if (existing !== undefined) return existing;
    const session = assemble({
      role: "caller",
      to: { channel: 0, slot },
      io: this.#io(slot),
      graceMs: () => this.#host.graceMs,
      // What the agent takes, its lanes know.
      frameBytes: MAX_DATA,
      lanes: () => this.#host.lanes.agent(slot)?.lanes.keys() ?? [],
      fields: newSessionFields((bytes) => crypto.getRandomValues(new Uint8Array(bytes))),
      on: (event, of) => this.#on(event, of, slot),
    });
    this.#sessions.set(slot, session);
    session.begin(this.#windows().get(session) ?? 0);
    this.regrant();
    return session;
  }

  #io(slot: number): SessionIo {
    const { lanes } = this.#host;
    const isShared = (): boolean => (this.#sessions.get(slot)?.streams.size ?? 0) > 1;
    return {
      send: (frame, lane) => lanes.send(slot, frame, lane),
      maxFrame: (lane) => lanes.maxFrame(slot, lane),
      now: () => performance.now(),
      batching: {
        // One alone has nobody to wait for. workerd's own queueMicrotask costs several times as much as a promise.
        soon: (run) => void (isShared() ? endOfTurn() : Promise.resolve()).then(run),
        later: (run, ms) => void setTimeout(run, ms),
      },
    };
  }

  #on(event: SessionEvent, session: Session, slot: number): void {
    switch (event.type) {
      case "demand":
        return this.#host.demands();
      case "drained":
        // The edge's own ports take no datagrams.
        return;
      case "over":
        if (this.#sessions.get(slot) !== session) return;
        this.#sessions.delete(slot);
        this.#host.ended(slot);
    }
  }

  receive(slot: number, frame: Frame): void {
    const session = this.#sessions.get(slot);
    if (session !== undefined) return session.receive(frame);
    // The agent has a session of a former instance, or one that waited for too long here: a new one ends it there.
    if (frame.type !== TYPE.END) this.session(slot);
  }

  pump(slot: number): void {
    this.#sessions.get(slot)?.pump();
  }

  /** The budget was divided anew. */
  regrant(): void {
    for (const [session, window] of this.#windows()) session.grantWindow(window);
  }

  /** Agents that are away send nothing: they get nothing until they are back. */
  #windows(): Map<Session, number> {
    const sessions = [...this.#sessions.values()].filter(({ up }) => up);
    const parts = divide(
      this.#host.budget(),
      sessions.map(({ demand }) => demand),
    );
    return new Map(sessions.map((session, index) => [session, parts[index] ?? 0]));
  }

  /** An agent's lanes are gone: its streams stand still until it is back. False when it has none. */
  suspend(slot: number): boolean {
    const session = this.#sessions.get(slot);
    if (session === undefined) return false;
    if (session.streams.size > 0) session.suspend();
    else this.drop(slot, { code: "lost", reason: "the agent's connection was lost" });
    return !session.over;
  }

  /** One of an agent's lanes is gone: what used it goes on over another. */
  move(slot: number, from: number, to: number): void {
    this.#sessions.get(slot)?.move(from, to);
  }

  /** A better lane is there: what had to use another one goes on over it. */
  spread(slot: number, from: number, to: number): void {
    this.#sessions.get(slot)?.spread(from, to);
  }

  /** An agent is there: its streams go on, or a session begins. */
  resume(slot: number): void {
    const session = this.#sessions.get(slot);
    if (session === undefined) this.session(slot);
    else if (!session.up) {
      // Only its first lane is there: whatever the others carried goes on over it, until `move` spreads it again.
      for (const stream of session.streams.values()) stream.lane = 0;
      session.resume();
    }
  }

  /** An agent is gone: its streams end. */
  drop(slot: number, failure: Failure): void {
    this.#sessions.get(slot)?.close("done", failure);
    this.#sessions.delete(slot);
  }

  /** Runs the clock while streams live: a timer keeps the object awake, but so does every live visitor. */
  keepTime(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setInterval(() => {
      try {
        for (const session of this.#sessions.values()) session.tick();
        this.#host.tick();
      } catch (error) {
        logFault("the relay's clock", error);
      }
      if (this.streams() > 0) return;
      clearInterval(this.#timer ?? null);
      this.#timer = undefined;
    }, TICK_MS);
  }
}
