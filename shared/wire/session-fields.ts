import { SessionError } from "./errors.ts";
import { decodeFields, encodeFields, numberField } from "./fields.ts";
import { MAX_DATA, DEFAULT_DATA } from "./limits.ts";

/** The fields of SESSION (docs/protocol.md section 3). */
export type SessionFields = {
  /** 16 bytes that name the session in RESUME and END. */
  id: Uint8Array;
  /** 32 bytes: the secret that proves a RESUME. */
  key: Uint8Array;
  /** Bytes of the largest DATA frame that the caller takes. */
  frameBytes: number;
  /** The caller reads times in DGRAM. */
  timed: boolean;
};

/** Makes the fields of a new session. `random` returns bytes that can't be guessed. */
export function newSessionFields(random: (bytes: number) => Uint8Array): SessionFields {
  return { id: random(16), key: random(32), frameBytes: MAX_DATA, timed: true };
}

export function encodeSessionFields({ id, key, frameBytes, timed }: SessionFields): Uint8Array {
  return encodeFields({ 1: id, 2: key, 3: frameBytes, 4: timed ? 1 : undefined });
}

/** Decodes the fields of SESSION. Throws SessionError(protocol) without a proper id and secret. */
export function decodeSessionFields(payload: Uint8Array): SessionFields {
  const fields = decodeFields(payload);
  const id = fields.get(1)?.slice();
  const key = fields.get(2)?.slice();
  if (id?.byteLength !== 16 || key?.byteLength !== 32)
    throw new SessionError("protocol", "SESSION without an id of 16 bytes and a secret of 32");
  return { id, key, frameBytes: Math.max(DEFAULT_DATA, numberField(fields, 3)), timed: numberField(fields, 4) === 1 };
}
