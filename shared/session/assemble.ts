import { encodeSessionFields, type SessionFields } from "../wire/session-fields.ts";
import type { Dial } from "../wire/open.ts";
import { Secret } from "../wire/resume.ts";
import { Session, type SessionIo } from "./session.ts";
import type { Stream } from "./stream.ts";

/** An event of a session, for the code that holds it. */
export type SessionEvent =
  /** `session.demand` has changed. */
  | { type: "demand" }
  /** Waiting datagrams may be sent. */
  | { type: "drained" }
  /** Either end has ended the session; all its streams have ended. `id`: its id in RESUME and END. */
  | { type: "over"; id: Uint8Array };

export type AgentSessionEvent =
  | SessionEvent
  /** DIAL has opened a stream: set `stream.events`, then accept or reject it, now or later. */
  | { type: "dial"; stream: Stream; dial: Dial };

type Parts = {
  /** Address of the far end: a caller sets the slot, an agent the channel. */
  to: { channel: number; slot: number };
  /** The lanes and the clock. */
  io: SessionIo;
  /** Milliseconds that the session outlives its path; 0: not at all. */
  graceMs: () => number;
  /** Fields of SESSION: new ones of a caller, those received of an agent. */
  fields: SessionFields;
};

export type CallerParts = Parts & {
  role: "caller";
  /** Bytes of the largest DATA frame that the agent takes. */
  frameBytes: number;
  /** The lanes to send SESSION on. */
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
 * Builds one end of a session over any lanes: to a relay, or straight to the other end. A caller's is new: store it, then call
 * `begin`. An agent's is the one that SESSION announced. `on` is not called before this returns.
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
