import { HEADROOM } from "../../shared/frame.ts";
import { MAX_DATA } from "../../shared/limits.ts";

/** Reads below this get a chunk of their own size: a kept one must not hold much more memory than it is charged for. */
const LARGE_BYTES = MAX_DATA / 2;
/** Chunks kept for the next reads; 4 MiB. What lies between two acknowledgements is less. */
const MOST_FREE = 64;

const free: Buffer[] = [];

/** Copies what was read behind HEADROOM. Large chunks come back by `recycle`: fresh ones for every read make the collector the agent's main work. */
export function chunkFor(bytes: Buffer): Buffer {
  const size = HEADROOM + bytes.byteLength;
  const large = bytes.byteLength >= LARGE_BYTES;
  const chunk = large
    ? (free.pop() ?? Buffer.allocUnsafeSlow(HEADROOM + MAX_DATA)).subarray(0, size)
    : Buffer.allocUnsafeSlow(size);
  bytes.copy(chunk, HEADROOM);
  return chunk;
}

/** Takes a chunk back that nobody reads any more. */
export function recycle(chunk: Uint8Array): void {
  if (chunk.buffer.byteLength === HEADROOM + MAX_DATA && free.length < MOST_FREE) free.push(Buffer.from(chunk.buffer));
}
