import { viewOf } from "../../shared/wire/frame.ts";

const HEADER_BYTES = 12;
const MAX_LABEL_BYTES = 63;
const IS_ANSWER = 0x8000;
const IS_TRUNCATED = 0x0200;

/**
 * Truncates a DNS answer as a name server does when it is too large for UDP (RFC 1035 section 4.2.1): the question with the flag TC, after
 * which the resolver asks again over TCP. Returns null if the bytes are not an answer to a single question.
 */
export function truncatedAnswer(answer: Uint8Array): Uint8Array | null {
  if (answer.byteLength < HEADER_BYTES) return null;
  const asked = viewOf(answer);
  const flags = asked.getUint16(2);
  if ((flags & IS_ANSWER) === 0 || asked.getUint16(4) !== 1) return null;
  let at = HEADER_BYTES;
  for (let label = answer[at]; label !== 0; label = answer[at]) {
    if (label === undefined || label > MAX_LABEL_BYTES) return null;
    at += 1 + label;
  }
  const end = at + 1 + 4;
  if (end > answer.byteLength) return null;
  const cut = answer.slice(0, end);
  const view = viewOf(cut);
  view.setUint16(2, flags | IS_TRUNCATED);
  for (const count of [6, 8, 10]) view.setUint16(count, 0);
  return cut;
}
