import { SessionError } from "./errors.ts";
import { decodeFields, encodeFields, numberField } from "./fields.ts";
import { MAX_DATA, USUAL_DATA } from "./limits.ts";

/** What SESSION says of a new session (docs/protocol.md section 3). */
export type Introduction = {
  /** 16 bytes: what RESUME and END call the session. */
  id: Uint8Array;
  /** 32 bytes: what proves a RESUME. */
  key: Uint8Array;
  /** Bytes of the largest DATA frame that the caller takes. */
  frameBytes: number;
  /** The caller reads times in DGRAM. */
  timed: boolean;
};

/** That of a new session. `random` answers so many bytes that cannot be guessed. */
export function newIntroduction(random: (bytes: number) => Uint8Array): Introduction {
  return { id: random(16), key: random(32), frameBytes: MAX_DATA, timed: true };
}

export function encodeIntroduction({ id, key, frameBytes, timed }: Introduction): Uint8Array {
  return encodeFields({ 1: id, 2: key, 3: frameBytes, 4: timed ? 1 : undefined });
}

/** Throws SessionError(protocol). */
export function decodeIntroduction(payload: Uint8Array): Introduction {
  const fields = decodeFields(payload);
  const id = fields.get(1)?.slice();
  const key = fields.get(2)?.slice();
  if (id?.byteLength !== 16 || key?.byteLength !== 32)
    throw new SessionError("protocol", "SESSION without id or secret");
  return { id, key, frameBytes: Math.max(USUAL_DATA, numberField(fields, 3)), timed: numberField(fields, 4) === 1 };
}
