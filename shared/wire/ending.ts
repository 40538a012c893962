import { decodeFields, encodeFields, numberField, textField } from "./fields.ts";
import type { SessionCode } from "./errors.ts";
import { encodeFrame, TYPE } from "./frame.ts";

/** The fields of END (docs/protocol.md section 3). */
export type Ending = {
  code: string;
  reason: string;
  /** The session that is over; if absent, the one that the receiver has with this far end. */
  id: Uint8Array | undefined;
  /** The sender of END never had this session: its SESSION was lost. */
  never: boolean;
};

export function encodeEnd(
  to: { channel?: number; slot?: number },
  { code, reason, id, never }: { code: SessionCode; reason: string; id?: Uint8Array | undefined; never?: boolean },
): Uint8Array {
  // Fields 3 and 4 are those of REJECT, which ends before version 0.2 read here, too.
  const fields = { 1: code, 2: reason.slice(0, 300), 5: id, 6: never === true ? 1 : undefined };
  return encodeFrame({ type: TYPE.END, ...to }, encodeFields(fields));
}

/** Decodes END. Throws SessionError(protocol) on a malformed one. */
export function decodeEnd(payload: Uint8Array): Ending {
  const fields = decodeFields(payload);
  return {
    code: textField(fields, 1),
    reason: textField(fields, 2),
    id: fields.get(5),
    never: numberField(fields, 6) === 1,
  };
}
