import { HEADROOM } from "../../shared/wire/frame.ts";
import { MAX_DATA } from "../../shared/wire/limits.ts";

/** Reads below this get a chunk of their own size. */
const LARGE_BYTES = 32 * 1024;
/** Bytes kept for the next reads. What lies between two acknowledgements is less. */
const MAX_FREE_BYTES = 4 * 1024 * 1024;

/**
 * Free chunks by size: powers of two, for a chunk that is kept must not hold much more memory than it is charged for.
 * The size that was asked for last comes last.
 */
const free = new Map<number, ArrayBuffer[]>();
let freeBytes = 0;

/** Copies what was read behind HEADROOM. Large chunks come back by `recycle`: fresh ones for every read make the collector the agent's main work. */
export function chunkFor(bytes: Buffer): Buffer {
  const size = HEADROOM + bytes.byteLength;
  const chunk =
    bytes.byteLength < LARGE_BYTES ? Buffer.allocUnsafeSlow(size) : take(bytes.byteLength).subarray(0, size);
  bytes.copy(chunk, HEADROOM);
  return chunk;
}

/** Takes a chunk back that nobody reads any more. */
export function recycle({ buffer }: Uint8Array): void {
  const bytes = buffer.byteLength - HEADROOM;
  const list = free.get(bytes);
  if (bytes < LARGE_BYTES || list === undefined) return;
  if (freeBytes + bytes > MAX_FREE_BYTES) evictOtherSize(bytes);
  if (freeBytes + bytes > MAX_FREE_BYTES) return;
  freeBytes += bytes;
  list.push(buffer as ArrayBuffer);
}

/** Makes room for chunks of a size: those of the size that nobody has asked for the longest go, or a pool full of them would be of no use. */
function evictOtherSize(wanted: number): void {
  for (const [bytes, list] of free) {
    if (bytes === wanted || list.length === 0) continue;
    freeBytes -= bytes * list.length;
    list.length = 0;
    return;
  }
}

function take(atLeast: number): Buffer {
  let bytes = MAX_DATA;
  while (bytes / 2 >= atLeast) bytes /= 2;
  const list = free.get(bytes) ?? [];
  free.delete(bytes);
  free.set(bytes, list);
  const found = list.pop();
  if (found === undefined) return Buffer.allocUnsafeSlow(HEADROOM + bytes);
  freeBytes -= bytes;
  return Buffer.from(found);
}
