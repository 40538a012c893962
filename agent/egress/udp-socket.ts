import { createSocket, type BindOptions, type RemoteInfo, type Socket, type SocketOptions } from "node:dgram";
import { once } from "node:events";
import { type Address, parseAddress } from "../../shared/address/address.ts";
import { formatHostPort } from "../../shared/address/socket-address.ts";
import { UdpSender } from "../../link/udp-sender.ts";

/** Receive buffer of one flow, in bytes: what a fast flow sends while the agent is busy. */
const RECEIVE_BUFFER = 1024 * 1024;

/** From Node 22.12 on, and 23.1, only programs of the same user can share the port; before that, any program can. */
const [MAJOR = 0, MINOR = 0] = process.versions.node.split(".").map(Number);
const HAS_REUSE_PORT = MAJOR > 23 || (MAJOR === 23 && MINOR >= 1) || (MAJOR === 22 && MINOR >= 12);
const SHARED: Omit<SocketOptions, "type"> = HAS_REUSE_PORT ? { reusePort: true } : { reuseAddr: true };

export type TargetSocketEvents = {
  /** A datagram came from a port of the target's host. */
  message: (bytes: Uint8Array, port: number) => void;
  /** ICMP reported that nothing listens there, or that there is no route. */
  error: (error: NodeJS.ErrnoException) => void;
};

/**
 * The local port of one flow, which receives from every port of the target's host and from no other host. A connected socket sends to the
 * target, because only such a one gets ICMP errors; an unconnected one on the same port receives from the host's other ports.
 */
export class TargetSocket {
  /** The local address and port, as the target sees them. */
  readonly local: string;
  readonly #connected: Socket;
  readonly #unconnected: Socket | null;
  readonly #target: Address;
  readonly #connectedSender: UdpSender;
  readonly #unconnectedSender: UdpSender | null;

  private constructor(target: Address, connected: Socket, unconnected: Socket | null) {
    const { address, port } = connected.address();
    this.local = formatHostPort(address, port);
    this.#target = target;
    this.#connected = connected;
    this.#unconnected = unconnected;
    this.#connectedSender = new UdpSender(connected);
    this.#unconnectedSender = unconnected === null ? null : new UdpSender(unconnected);
  }

  /** Opens both sockets. Rejects with the error of `connect` if there is no route. */
  static async open(target: Address, port: number): Promise<TargetSocket> {
    const type = target.version === 4 ? "udp4" : "udp6";
    const shared = { type, ...SHARED } as const;
    const own = await freePort(type);
    // If another program took the port first, any other will do; the target's other ports are then not received.
    const connected = await bound(shared, { port: own }).catch(() => createSocket(type));
    try {
      await connect(connected, target, port);
    } catch (error) {
      connected.close();
      throw error;
    }
    enlargeBuffer(connected);
    const { address, port: local } = connected.address();
    const unconnected = local === own ? await bound(shared, { port: own, address }).catch(() => null) : null;
    return new TargetSocket(target, connected, unconnected);
  }

  listen({ message, error }: TargetSocketEvents): void {
    for (const socket of [this.#connected, this.#unconnected])
      socket?.on("message", (bytes, from) => {
        if (this.#isTarget(from)) message(bytes, from.port);
      });
    this.#connected.on("error", error);
    // It only sends to ports that the target has sent from, and its errors concern no dial.
    this.#unconnected?.on("error", () => undefined);
  }

  /** Sends to the target, or to another port of its host. Calls `failed` if this machine's kernel did not take the datagram. */
  send(bytes: Uint8Array, port: number | null, failed: () => void): void {
    if (port === null || this.#unconnectedSender === null) this.#connectedSender.send(bytes, null, failed);
    else this.#unconnectedSender.send(bytes, { port, address: this.#target.text }, failed);
  }

  close(): void {
    this.#connected.close();
    this.#unconnected?.close();
  }

  #isTarget({ address }: RemoteInfo): boolean {
    if (address === this.#target.text) return true;
    const from = parseAddress(address);
    return from.ok && from.value.text === this.#target.text;
  }
}

/** Asks the kernel for a large buffer; if it refuses, the default one will do. */
function enlargeBuffer(socket: Socket): void {
  try {
    socket.setRecvBufferSize(RECEIVE_BUFFER);
  } catch {
    // More than this machine allows.
  }
}

/** Finds a port that no socket of this machine uses. A shared socket that asks for any port may get one that other sockets share. */
async function freePort(type: "udp4" | "udp6"): Promise<number> {
  const socket = await bound({ type }, {});
  const { port } = socket.address();
  socket.close();
  return port;
}

async function bound(options: SocketOptions, where: BindOptions): Promise<Socket> {
  const socket = createSocket(options);
  try {
    const listening = once(socket, "listening");
    socket.bind({ ...where, exclusive: true });
    await listening;
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}

/** Connects a datagram socket. Success only means that the kernel has a route: no packet is sent. */
function connect(socket: Socket, { text }: Address, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.connect(port, text, () => {
      socket.off("error", reject);
      resolve();
    });
  });
}
