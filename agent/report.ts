import type { Report } from "../shared/wire/control.ts";
import type { Failure } from "../shared/wire/errors.ts";
import type { Dial } from "../shared/wire/open.ts";
import type { Stream } from "../shared/session/stream.ts";

/** Bytes that a stream carried: in from the visitor, out to it. */
export type Traffic = { bytesIn: number; bytesOut: number };

/** When a stream began, in milliseconds since 1970 by the edge's clock, and for how many milliseconds it lived. */
export type Life = { at: number; ms: number };

/** Builds the connection record of a stream that a client or gateway opened. `datagrams`: the bytes of a flow, which its offsets don't count. */
export function reportOf(stream: Stream, dial: Dial, life: Life, datagrams: Traffic, failure: Failure | null): Report {
  const bytesOut = stream.out.sent + datagrams.bytesOut;
  const refused = bytesOut === 0 && failure !== null && REFUSALS.has(failure.code);
  return {
    at: life.at,
    ended: life.at + life.ms,
    mapping: dial.mapping,
    token: dial.token,
    endpoint: dial.endpoint.slice(0, 200),
    target: dial.target.slice(0, 200),
    visitor: dial.visitor.slice(0, 200),
    bytesIn: stream.in.received + datagrams.bytesIn,
    bytesOut,
    outcome: outcomeOf(failure, refused),
    code: failure?.code ?? "",
    reason: failure?.reason.slice(0, 300) ?? "",
    ...(dial.ref === "" ? {} : { ref: dial.ref }),
  };
}

/** Codes of failures that refuse a stream before it carries anything. */
const REFUSALS: ReadonlySet<string> = new Set([
  "target-denied",
  "target-refused",
  "target-unreachable",
  "target-timeout",
  "target-unresolved",
  "denied",
  "too-many",
  "busy",
  "loop",
]);

function outcomeOf(failure: Failure | null, refused: boolean): Report["outcome"] {
  if (failure === null) return "done";
  if (failure.code === "lost" || failure.code === "cut") return failure.code;
  return refused ? "refused" : "reset";
}
