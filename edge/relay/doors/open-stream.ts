import type { Failure } from "../../../shared/wire/errors.ts";
import { TYPE } from "../../../shared/wire/frame.ts";
import type { Stream, StreamInit } from "../../../shared/session/stream.ts";
import type { End } from "../lanes/lanes.ts";
import type { Admitted } from "../site/admission.ts";
import type { Site } from "../site/site.ts";
import type { Visit } from "../site/visit.ts";
import type { LiveStream } from "../types.ts";

/** How a door opens and uses its stream. */
export type Opening = {
  readonly dial: Uint8Array;
  readonly init: StreamInit;
  readonly lane: (agent: End) => number;
  /** Writes the data that an agent needs before it dials. */
  readonly first: (stream: Stream) => void;
  /** Takes the stream over. Called at most once, and synchronously, because bytes may follow at once. */
  readonly begin: (stream: Stream) => void;
  /** Called when no agent accepts the stream. */
  readonly failed: (failure: Failure) => void;
};

/**
 * Opens a stream for an admitted visitor, and adds it to the open visits. Where the relay can't know whether an agent dials the target,
 * it reads no more of the visitor until the agent has answered; after `target-denied` it asks the next agent.
 */
export function openStream(site: Site, admitted: Admitted, visit: Visit, live: LiveStream, opening: Opening): void {
  let current: Stream | undefined;
  const attempt = (agent: End, others: readonly End[]): void => {
    live.agent = agent.identity;
    const { dial, init, lane, first, begin, failed } = opening;
    const stream = site.sessions.session(agent.number).open(TYPE.DIAL, dial, { ...init, lane: lane(agent) });
    current = stream;
    const [next, ...rest] = others.filter((end) => site.agents.isServing(end));
    if (next === undefined) {
      first(stream);
      begin(stream);
      return;
    }
    stream.events = {
      data: () => undefined,
      fin: () => undefined,
      accepted: () => begin(stream),
      ended: (failure) => {
        if (failure?.code === "target-denied") attempt(next, rest);
        else failed(failure ?? { code: "lost", reason: "the agent ended the stream without an answer" });
      },
    };
    first(stream);
  };
  site.visits.enter(live, visit, admitted, ({ code, reason }) => current?.reset(code, reason));
  attempt(admitted.agent, admitted.others);
  site.sessions.keepTime();
}
