import type { Socket } from "node:dgram";

/** The most bytes that may wait for the kernel: libuv would keep any number, and send them late. */
const MAX_PENDING_BYTES = 256 * 1024;

/** A sender on one UDP socket, which drops what the kernel is not ready for. */
export class UdpSender {
  readonly #socket: Socket;
  #pending = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Sends a datagram; `to` is null for a connected socket. Calls `onDropped` if the datagram is dropped here. */
  send(bytes: Uint8Array, to: { port: number; address: string } | null, onDropped: () => void): void {
    if (this.#pending > MAX_PENDING_BYTES) return onDropped();
    this.#pending += bytes.byteLength;
    const done = (error: Error | null): void => {
      this.#pending -= bytes.byteLength;
      if (error !== null && error !== undefined) onDropped();
    };
    if (to === null) this.#socket.send(bytes, done);
    else this.#socket.send(bytes, to.port, to.address, done);
  }
}
