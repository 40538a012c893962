/** Characters of the shortest admin secret: under that, guessing is a question of days. */
export const MIN_SECRET = 16;

/** Characters of 128 random bits in base64: no rate of guessing gets through those. */
const LONG_SECRET = 22;
const FEW_DISTINCT = 8;

/** Tells whether a secret is long enough to compare guesses as fast as they arrive. A text of few distinct characters is not. */
export function isUnguessable(secret: string): boolean {
  return secret.length >= LONG_SECRET && new Set(secret).size > FEW_DISTINCT;
}

/** Whether both are the same, in a time that tells nothing: of two hashes every byte is looked at. */
export async function isSameSecret(given: string, expected: string): Promise<boolean> {
  const [a, b] = await Promise.all([digest(given), digest(expected)]);
  return a.reduce((difference, byte, index) => difference | (byte ^ (b[index] ?? 0)), 0) === 0;
}

/** What is kept of a secret that only has to be recognised, in hex. */
export async function secretHash(text: string): Promise<string> {
  return [...(await digest(text))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function digest(text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
}
