/**
 * Returns `bytes` random bytes in hexadecimal: a text that can't be taken for an option, needs no quotes, and is selected by a
 * double click.
 */
export function randomHex(bytes: number): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) => byte.toString(16).padStart(2, "0")).join(
    "",
  );
}
