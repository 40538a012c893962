/** Known bytes, and whether they arrived. */
import { createCipheriv, createHash } from "node:crypto";
import { Readable } from "node:stream";

const CHUNK = 64 * 1024;

export interface Digest {
  readonly bytes: number;
  readonly sha256: string;
}

/** Hex SHA-256. */
export function sha256(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

/** Reads to the end. */
export async function digest(chunks: AsyncIterable<Uint8Array>): Promise<Digest> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const chunk of chunks) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { bytes, sha256: hash.digest("hex") };
}

/** `bytes` bytes in which nothing repeats, so that lost, doubled and swapped ones show. The same for the same seed. */
export function noise(bytes: number, seed = 0): Readable {
  return Readable.from(noiseChunks(bytes, seed), { objectMode: false, highWaterMark: CHUNK });
}

function* noiseChunks(bytes: number, seed: number): Generator<Uint8Array> {
  const key = createHash("sha256").update(`noise ${seed}`).digest().subarray(0, 16);
  const cipher = createCipheriv("aes-128-ctr", key, Buffer.alloc(16));
  const zeros = Buffer.alloc(CHUNK);
  for (let left = bytes; left > 0; left -= CHUNK) yield cipher.update(zeros.subarray(0, Math.min(left, CHUNK)));
}
