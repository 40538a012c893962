import type { Socket } from "node:dgram";

/** Bytes that may wait for the kernel to take them: libuv would keep any number, and send them late. */
const MAX_PENDING_BYTES = 256 * 1024;

/** Sends from one UDP socket, and drops what the kernel is not ready for. */
export class UdpSender {
  readonly #socket: Socket;
  #pending = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Sends one; `to` is left out for a connected socket. `failed`: it was dropped here. */
  send(bytes: Uint8Array, to: { port: number; address: string } | null, failed: () => void): void {
    if (this.#pending > MAX_PENDING_BYTES) return failed();
    this.#pending += bytes.byteLength;
    const done = (error: Error | null): void => {
      this.#pending -= bytes.byteLength;
      if (error !== null && error !== undefined) failed();
    };
    if (to === null) this.#socket.send(bytes, done);
    else this.#socket.send(bytes, to.port, to.address, done);
  }
}
