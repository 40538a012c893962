import { HEADROOM } from "../../shared/wire/frame.ts";
import { MAX_DATA } from "../../shared/wire/limits.ts";

/** Smaller reads get a chunk of exactly their size, which is not reused. */
const LARGE_BYTES = 32 * 1024;
/** The most bytes kept for the next reads: more than is sent between two acknowledgements. */
const MAX_FREE_BYTES = 4 * 1024 * 1024;

/**
 * Free chunks by size. Sizes are powers of two, because a chunk that is kept must not hold much more memory than it is charged for.
 * The size that was taken last comes last.
 */
const free = new Map<number, ArrayBuffer[]>();
let freeBytes = 0;

/** Copies a read into a chunk, behind HEADROOM. Large chunks come back by `recycle`: with a new one for each read, the agent mostly collects garbage. */
export function chunkFor(bytes: Buffer): Buffer {
  const size = HEADROOM + bytes.byteLength;
  const chunk =
    bytes.byteLength < LARGE_BYTES ? Buffer.allocUnsafeSlow(size) : take(bytes.byteLength).subarray(0, size);
  bytes.copy(chunk, HEADROOM);
  return chunk;
}

/** Takes back a chunk that is no longer in use. */
export function recycle({ buffer }: Uint8Array): void {
  const bytes = buffer.byteLength - HEADROOM;
  const list = free.get(bytes);
  if (bytes < LARGE_BYTES || list === undefined) return;
  if (freeBytes + bytes > MAX_FREE_BYTES) evictOtherSize(bytes);
  if (freeBytes + bytes > MAX_FREE_BYTES) return;
  freeBytes += bytes;
  list.push(buffer as ArrayBuffer);
}

/** Drops the free chunks of the least recently taken size other than `wanted`: a pool full of a size that is no longer taken would be useless. */
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
