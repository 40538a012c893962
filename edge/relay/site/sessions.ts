import { logFault } from "../../fault.ts";
import type { Failure } from "../../../shared/wire/errors.ts";
import { divide, sumOf, type Demand } from "../../../shared/session/division.ts";
import { TYPE, type Frame } from "../../../shared/wire/frame.ts";
import { MAX_DATA } from "../../../shared/wire/limits.ts";
import { Secret } from "../../../shared/wire/resume.ts";
import { Session } from "../../../shared/session/session.ts";
import type { Lanes } from "../lanes/lanes.ts";
import { endOfTurn } from "./turn.ts";

const TICK_MS = 1_000;

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
    return sumOf([...this.#sessions.values()].map(({ demand }) => demand));
  }

  /** The session with an agent; a new one is said with SESSION, and used at once. */
  session(slot: number): Session {
    const existing = this.#sessions.get(slot);
    if (existing !== undefined) return existing;
    const id = crypto.getRandomValues(new Uint8Array(16));
    const key = crypto.getRandomValues(new Uint8Array(32));
    const session: Session = new Session({
      role: "caller",
      secret: new Secret(id, key),
      introduction: { key, lanes: () => this.#host.lanes.agent(slot)?.lanes.keys() ?? [] },
      to: { channel: 0, slot },
      graceMs: () => this.#host.graceMs,
      // What the agent takes, its lanes know.
      frameBytes: MAX_DATA,
      io: {
        send: (frame, lane) => this.#host.lanes.send(slot, frame, lane),
        room: (lane) => this.#host.lanes.room(slot, lane),
        now: () => performance.now(),
        gather: {
          // One alone has nobody to wait for. workerd's own queueMicrotask costs several times as much as a promise.
          soon: (run) => void (session.streams.size > 1 ? endOfTurn() : Promise.resolve()).then(run),
          later: (run, ms) => void setTimeout(run, ms),
        },
      },
      demands: () => this.#host.demands(),
      ended: () => {
        if (this.#sessions.get(slot) !== session) return;
        this.#sessions.delete(slot);
        this.#host.ended(slot);
      },
    });
    this.#sessions.set(slot, session);
    session.grant(this.#windows().get(session) ?? 0, false);
    session.introduce();
    this.regrant();
    return session;
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
    for (const [session, window] of this.#windows()) session.grant(window);
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
