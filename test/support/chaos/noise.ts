import { createCipheriv, createHash, type Cipheriv } from "node:crypto";

const zeros = Buffer.alloc(64 * 1024);

/** An endless run of bytes in which nothing repeats: the same for the same key, at both ends. */
export class Noise {
  readonly #cipher: Cipheriv;

  constructor(key: string) {
    this.#cipher = createCipheriv(
      "aes-128-ctr",
      createHash("sha256").update(key).digest().subarray(0, 16),
      Buffer.alloc(16),
    );
  }

  /** The next bytes, 64 KiB at most. */
  next(bytes: number): Buffer {
    return this.#cipher.update(zeros.subarray(0, bytes));
  }

  /** How many of these are the next ones of the run. */
  matches(bytes: Buffer): number {
    for (let from = 0; from < bytes.length; from += zeros.length) {
      const part = bytes.subarray(from, from + zeros.length);
      const wanted = this.next(part.length);
      if (!part.equals(wanted)) return from + part.findIndex((byte, index) => byte !== wanted[index]);
    }
    return bytes.length;
  }
}
