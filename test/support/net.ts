/** Addresses that no other test has; use them with fixed ports, or port 0 on 127.0.0.1. */
let given = 0;

/**
 * A loopback address of one's own, so that a test may use well-known ports on it: 127.64.0.1 to 127.191.255.254.
 * Unique among test files running at once, which are processes, and within each.
 */
export function loopback(): string {
  given++;
  if (given > 254) throw new Error("a test file has no more than 254 loopback addresses");
  return `127.${64 + ((process.pid >> 8) & 127)}.${process.pid & 255}.${given}`;
}
