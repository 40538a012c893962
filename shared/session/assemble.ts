import { encodeSessionFields, type SessionFields } from "../wire/session-fields.ts";
import type { Dial } from "../wire/open.ts";
import { Secret } from "../wire/resume.ts";
import { Session, type SessionIo } from "./session.ts";
import type { Stream } from "./stream.ts";

/** What a session tells the end that keeps it. */
export type SessionEvent =
  /** `session.demand` has changed: ask for another window, if there is anything to ask. */
  | { type: "demand" }
  /** Datagrams that waited may go. */
  | { type: "drained" }
  /** The session is over, by either end; all its streams have ended. `id`: what RESUME and END call it. */
  | { type: "over"; id: Uint8Array };

export type AgentSessionEvent =
  | SessionEvent
  /** A visitor wants this: set `stream.events`, then accept or reject it, now or later. */
  | { type: "dial"; stream: Stream; dial: Dial };

type Parts = {
  /** Where frames go: a caller names the slot it means, an agent the channel it answers. */
  to: { channel: number; slot: number };
  /** The lanes and the clock. */
  io: SessionIo;
  /** Milliseconds the session outlives its path; 0: not at all. */
  graceMs: () => number;
  /** What SESSION says: a caller makes it anew, an agent has read it. */
  fields: SessionFields;
};

export type CallerParts = Parts & {
  role: "caller";
  /** Bytes of the largest DATA frame that the agent takes. */
  frameBytes: number;
  /** The lanes to say SESSION on. */
  lanes: () => Iterable<number>;
  on: (event: SessionEvent, session: Session) => void;
};

export type AgentParts = Parts & {
  role: "agent";
  on: (event: AgentSessionEvent, session: Session) => void;
};

const DEMAND: SessionEvent = { type: "demand" };
const DRAINED: SessionEvent = { type: "drained" };

/**
 * Puts one end of a session together, over whatever lanes there are: to a relay or straight to the other end. A caller's is
 * new, and its keeper calls `begin` once it can be found; an agent's is the one that SESSION told of. `on` hears nothing before
 * this returns.
 */
export function assemble(parts: CallerParts | AgentParts): Session {
  const { role, to, io, graceMs, fields, on } = parts;
  const { id, key, frameBytes, timed } = fields;
  const session: Session = new Session({
    role,
    to,
    io,
    graceMs,
    secret: new Secret(id, key),
    ...(role === "agent"
      ? { frameBytes, timed, dial: (stream, dial) => parts.on({ type: "dial", stream, dial }, session) }
      : {
          frameBytes: parts.frameBytes,
          sessionFrame: { payload: encodeSessionFields(fields), lanes: parts.lanes },
        }),
    demandChanged: () => on(DEMAND, session),
    drained: () => on(DRAINED, session),
    ended: () => on({ type: "over", id }, session),
  });
  return session;
}
