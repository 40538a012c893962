/** Addresses and ports that no other test has. */
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";

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

/** A TCP port that was free a moment ago. Prefer port 0, or a fixed port on a `loopback()` address. */
export async function freePort(host = "127.0.0.1"): Promise<number> {
  const server = createServer().listen(0, host);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
