import { SessionError, streamCode, type Failure } from "./errors.ts";
import { decodeFields, encodeFields, numberField, textField } from "./fields.ts";

// Payloads of OPEN, DIAL, ACCEPT, REJECT and RESET (docs/protocol.md section 3).

export type Kind = "tcp" | "udp" | "http";
const KINDS: readonly Kind[] = ["tcp", "udp", "http"];

/** What a caller asks for: an endpoint, never a target. Only gateways may set `visitor`. */
export type Open = { endpoint: string; visitor: string };

/** What the relay, and no other end, tells an agent to dial. `options` is JSON (shared/wire/dial-options.ts). */
export type Dial = {
  target: string;
  kind: Kind;
  mapping: number;
  endpoint: string;
  visitor: string;
  options: string;
  token: string;
  grant: string;
  /** The stream's name in the logs of both ends, unique at an edge. */
  ref: string;
};

/** The addresses of the agent's connection to the target, as `ip:port`. */
export type Accept = { target: string; local: string };
/** The same with the stream's name in logs, which DIAL gave the agent. `timed`: this agent reads times in DGRAM. */
export type NamedAccept = Accept & { ref: string; timed?: boolean };

/** A refusal. `mayRetry`: another agent may be tried. */
export type Refusal = Failure & { mayRetry: boolean };

export function encodeOpen(open: Open): Uint8Array {
  return encodeFields({ 1: open.endpoint, 2: open.visitor || undefined });
}

export function decodeOpen(payload: Uint8Array): Open {
  const fields = decodeFields(payload);
  return { endpoint: textField(fields, 1), visitor: textField(fields, 2) };
}

export function encodeDial(dial: Dial): Uint8Array {
  return encodeFields({
    1: dial.target,
    2: KINDS.indexOf(dial.kind) + 1,
    3: dial.mapping,
    4: dial.endpoint,
    5: dial.visitor || undefined,
    6: dial.options || undefined,
    7: dial.token || undefined,
    8: dial.grant || undefined,
    10: dial.ref || undefined,
  });
}

export function decodeDial(payload: Uint8Array): Dial {
  const fields = decodeFields(payload);
  const kind = KINDS[numberField(fields, 2) - 1];
  if (kind === undefined) throw new SessionError("protocol", "DIAL has an unknown kind");
  return {
    target: textField(fields, 1),
    kind,
    mapping: numberField(fields, 3),
    endpoint: textField(fields, 4),
    visitor: textField(fields, 5),
    options: textField(fields, 6),
    token: textField(fields, 7),
    grant: textField(fields, 8),
    ref: textField(fields, 10),
  };
}

export function encodeAccept(accept: NamedAccept): Uint8Array {
  const { target, local, ref, timed = false } = accept;
  return encodeFields({ 1: target, 2: local, 3: ref || undefined, 4: timed ? 1 : undefined });
}

export function decodeAccept(payload: Uint8Array): NamedAccept {
  const fields = decodeFields(payload);
  const accept = { target: textField(fields, 1), local: textField(fields, 2), ref: textField(fields, 3) };
  return numberField(fields, 4) === 1 ? { ...accept, timed: true } : accept;
}

/** Longest reason that is sent, in UTF-16 units: reasons are sentences, not dumps. */
const MAX_REASON = 300;

export function encodeFailure(failure: Failure & { mayRetry?: boolean; ref?: string }): Uint8Array {
  // oxlint-disable-next-line no-control-regex -- a reason may quote a hostile target
  const reason = failure.reason.replace(/[\u0000-\u001f\u007f]/g, " ").slice(0, MAX_REASON);
  return encodeFields({
    1: failure.code,
    2: reason,
    3: failure.mayRetry === true ? 1 : undefined,
    4: failure.ref || undefined,
  });
}

export function decodeFailure(payload: Uint8Array): Refusal {
  const fields = decodeFields(payload);
  return {
    code: streamCode(textField(fields, 1)),
    reason: textField(fields, 2),
    mayRetry: numberField(fields, 3) === 1,
  };
}

/** Reads the stream's name in logs from REJECT; "" from a relay, which refuses before the stream has a name. */
export function refOfReject(payload: Uint8Array): string {
  return textField(decodeFields(payload), 4);
}
