/** All bytes of a body, or why it was not read to its end. */
export type WholeBody = { ok: true; bytes: Uint8Array } | { ok: false; why: "too-large" | "given-up" | "broken-off" };

/** The part of ReadableStream that is used here: the types of Workers, browsers and Node disagree on the rest. */
type Stream = { getReader(): Reader };
type Reader = { read(): Promise<{ done: boolean; value?: Uint8Array | undefined }>; cancel(): Promise<void> };

/** Bytes of the first buffer; later ones double, so that a peer that sends little takes little memory. */
const FIRST_BUFFER = 1024;

/**
 * Reads a body to its end. Cancels the stream as soon as there are more than `limit` bytes, whatever Content-Length says, or when
 * `giveUp` resolves. Never rejects.
 */
export async function readWholeBody(body: Stream | null, limit: number, giveUp?: Promise<void>): Promise<WholeBody> {
  if (body === null) return { ok: true, bytes: new Uint8Array() };
  const reader = body.getReader();
  const givenUp = giveUp?.then(() => GIVEN_UP);
  // Bytes are copied into one buffer, because chunks of one byte would take a hundred times their size.
  let buffer = new Uint8Array(Math.min(limit, FIRST_BUFFER));
  let length = 0;
  for (;;) {
    const reading = reader.read().catch(() => BROKEN_OFF);
    const part = await (givenUp === undefined ? reading : Promise.race([reading, givenUp]));
    if (part === BROKEN_OFF) return { ok: false, why: "broken-off" };
    if (part === GIVEN_UP) return end(reader, "given-up");
    const { done, value } = part as Awaited<ReturnType<Reader["read"]>>;
    if (done) return { ok: true, bytes: buffer.subarray(0, length) };
    if (value === undefined) continue;
    if (length + value.byteLength > limit) return end(reader, "too-large");
    if (length + value.byteLength > buffer.byteLength) {
      const larger = new Uint8Array(Math.min(limit, Math.max(2 * buffer.byteLength, length + value.byteLength)));
      larger.set(buffer.subarray(0, length));
      buffer = larger;
    }
    buffer.set(value, length);
    length += value.byteLength;
  }
}

const GIVEN_UP = Symbol("given up");
const BROKEN_OFF = Symbol("broken off");

function end(reader: Reader, why: "too-large" | "given-up"): WholeBody {
  // Not awaited, because cancelling may wait for a peer that has gone.
  void reader.cancel().catch(() => undefined);
  return { ok: false, why };
}
