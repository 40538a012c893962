/** Minimum length of an admin secret, in characters; a shorter one can be guessed in days. */
export const MIN_SECRET = 16;

/** Length of 128 random bits in base64, in characters: can't be guessed at any rate. */
const LONG_SECRET = 22;
/** A secret with at most this many distinct characters counts as guessable, whatever its length. */
const FEW_DISTINCT = 8;

/** Returns true if a secret can't be guessed even when guesses are compared as fast as they arrive. */
export function isUnguessable(secret: string): boolean {
  return secret.length >= LONG_SECRET && new Set(secret).size > FEW_DISTINCT;
}

/** Compares secrets in constant time, by all bytes of their hashes. */
export async function isSameSecret(given: string, expected: string): Promise<boolean> {
  const [a, b] = await Promise.all([digest(given), digest(expected)]);
  return a.reduce((difference, byte, index) => difference | (byte ^ (b[index] ?? 0)), 0) === 0;
}

/** Returns the SHA-256 hash of a secret in hex, for secrets that are only stored to recognise them. */
export async function secretHash(text: string): Promise<string> {
  return [...(await digest(text))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function digest(text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
}
