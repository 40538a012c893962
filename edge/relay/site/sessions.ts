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
  /** The session with an agent has ended. */
  ended: (slot: number) => void;
  /** Called every second while there are visitors. */
  tick: () => void;
  /** Returns the bytes of session windows to grant to all agents together. */
  budget: () => number;
  /** `demand` has changed: the relay's budget must be divided again. */
  demandChanged: () => void;
  /** Milliseconds that streams wait for an agent that is away. */
  graceMs: number;
};

/** The relay's own sessions as a caller, on channel 0: one with each agent, for visitors at the edge's ports and hosts. */
export class Sessions {
  readonly #host: SessionsHost;
  readonly #sessions = new Map<number, Session>();
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(host: SessionsHost) {
    this.#host = host;
  }

  /** Returns the number of open streams to one agent, or to all. */
  streams(slot?: number): number {
    let count = 0;
    for (const [each, session] of this.#sessions)
      if (slot === undefined || each === slot) count += session.streams.size;
    return count;
  }

  /** The demand of all sessions together. */
  get demand(): Demand {
    return sumDemands([...this.#sessions.values()].map(({ demand }) => demand));
  }

  /** Returns the session with an agent; a new one is announced by SESSION and usable at once. */
  session(slot: number): Session {
    const existing = this.#sessions.get(slot);
    if (existing !== undefined) return existing;
    const session = assemble({
      role: "caller",
      to: { channel: 0, slot },
      io: this.#io(slot),
      graceMs: () => this.#host.graceMs,
      // The limit of the agent is applied by its lanes.
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
        // A single stream need not wait for others. workerd's own queueMicrotask costs several times as much as a promise.
        soon: (run) => void (isShared() ? endOfTurn() : Promise.resolve()).then(run),
        later: (run, ms) => void setTimeout(run, ms),
      },
    };
  }

  #on(event: SessionEvent, session: Session, slot: number): void {
    switch (event.type) {
      case "demand":
        return this.#host.demandChanged();
      case "drained":
        // Only datagrams need this event, and the edge's own ports carry none.
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
    // The agent still has a session of an earlier instance, or one that has timed out here: a new session ends it there.
    if (frame.type !== TYPE.END) this.session(slot);
  }

  pump(slot: number): void {
    this.#sessions.get(slot)?.pump();
  }

  /** Grants windows after the budget was divided again. */
  regrant(): void {
    for (const [session, window] of this.#windows()) session.grantWindow(window);
  }

  /** Returns the window of each session. Agents that are away send nothing, so they get none until they are back. */
  #windows(): Map<Session, number> {
    const sessions = [...this.#sessions.values()].filter(({ up }) => up);
    const parts = divide(
      this.#host.budget(),
      sessions.map(({ demand }) => demand),
    );
    return new Map(sessions.map((session, index) => [session, parts[index] ?? 0]));
  }

  /** Suspends the streams of an agent that has lost all its lanes, until it is back. Returns false when it has no streams. */
  suspend(slot: number): boolean {
    const session = this.#sessions.get(slot);
    if (session === undefined) return false;
    if (session.streams.size > 0) session.suspend();
    else this.drop(slot, { code: "lost", reason: "the agent's connection was lost" });
    return !session.over;
  }

  /** Moves streams from a lost lane of an agent to another one. */
  move(slot: number, from: number, to: number): void {
    this.#sessions.get(slot)?.move(from, to);
  }

  /** Moves streams that had to use lane `from` to the new lane `to`. */
  spread(slot: number, from: number, to: number): void {
    this.#sessions.get(slot)?.spread(from, to);
  }

  /** Resumes the session with an agent that has joined, or begins one. */
  resume(slot: number): void {
    const session = this.#sessions.get(slot);
    if (session === undefined) this.session(slot);
    else if (!session.up) {
      // Only its first lane is back: all streams use it until `spread` moves them to further lanes.
      for (const stream of session.streams.values()) stream.lane = 0;
      session.resume();
    }
  }

  /** Ends the session with an agent, and all its streams. */
  drop(slot: number, failure: Failure): void {
    this.#sessions.get(slot)?.close("done", failure);
    this.#sessions.delete(slot);
  }

  /** Starts the timer that runs while streams are open. It keeps the object awake, but so does every open stream. */
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
