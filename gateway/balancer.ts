import { once } from "node:events";
import type { Socket } from "node:net";
import { formatHostPort } from "../shared/address/socket-address.ts";
import { readProxyHeader } from "../shared/proxy-protocol.ts";

/** Milliseconds a balancer has for its header: it is the first thing it sends. */
const HEADER_MS = 5_000;

/**
 * Reads the PROXY protocol header of a balancer off the socket. Resolves with the address of the visitor that it names, or the
 * balancer's own if it names none; undefined if no valid header comes, and then the connection is to be refused.
 */
export async function visitorBehind(socket: Socket): Promise<string | undefined> {
  const timer = setTimeout(() => socket.destroy(), HEADER_MS);
  let head = Buffer.alloc(0);
  try {
    for (;;) {
      const chunk = socket.read() as Buffer | null;
      if (chunk === null) {
        await Promise.race([once(socket, "readable"), once(socket, "close")]);
        if (socket.destroyed || socket.readableEnded) return undefined;
        continue;
      }
      head = Buffer.concat([head, chunk]);
      const header = readProxyHeader(head);
      if (header.kind === "bad") return undefined;
      if (header.kind === "more") continue;
      const rest = head.subarray(header.bytes);
      if (rest.byteLength > 0) socket.unshift(rest);
      if (header.source !== null) return formatHostPort(header.source.address.text, header.source.port);
      return formatHostPort(socket.remoteAddress ?? "", socket.remotePort ?? 0);
    }
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}
