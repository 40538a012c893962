import { decodeFields, encodeFields, numberField, textField } from "./fields.ts";
import type { SessionCode } from "./errors.ts";
import { encodeFrame, TYPE } from "./frame.ts";

/** What END says (docs/protocol.md section 3). */
export type Ending = {
  code: string;
  reason: string;
  /** The session that is over; without it, whatever session is there. */
  id: Uint8Array | undefined;
  /** This end never heard of it: its SESSION was lost. */
  never: boolean;
};

export function encodeEnd(
  to: { channel?: number; slot?: number },
  { code, reason, id, never }: { code: SessionCode; reason: string; id?: Uint8Array | undefined; never?: boolean },
): Uint8Array {
  // Fields 3 and 4 are those of REJECT, which ends of before 0.2 read here, too.
  const fields = { 1: code, 2: reason.slice(0, 300), 5: id, 6: never === true ? 1 : undefined };
  return encodeFrame({ type: TYPE.END, ...to }, encodeFields(fields));
}

/** Throws SessionError(protocol). */
export function decodeEnd(payload: Uint8Array): Ending {
  const fields = decodeFields(payload);
  return {
    code: textField(fields, 1),
    reason: textField(fields, 2),
    id: fields.get(5),
    never: numberField(fields, 6) === 1,
  };
}
