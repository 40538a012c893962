import net from "node:net";
import type { Address } from "../../shared/address.ts";
import type { Failure } from "../../shared/errors.ts";
import { DIAL_TIMEOUT_MS, MAX_DATA } from "../../shared/limits.ts";
import { formatHostPort } from "../../shared/socket-address.ts";

/** Milliseconds before the next address is tried beside a slow one (RFC 8305 section 5). */
const NEXT_ADDRESS_MS = 250;
const KEEPALIVE_MS = 30_000;

export type Dialled = { ok: true; socket: net.Socket } | { ok: false; failure: Failure };

/** Where reads of all sockets land; whatever takes them copies at once, so idle connections hold no buffer. */
const landing = Buffer.allocUnsafeSlow(MAX_DATA);

/** Reads as they come; the bytes are only good during the call. Answer false to pause, then `socket.resume()`. */
export type OnRead = (bytes: Buffer) => boolean;

/**
 * Connects to the first address that answers, within DIAL_TIMEOUT_MS. The socket is half-open, unbuffered, kept alive.
 */
export async function dial(
  addresses: readonly Address[],
  port: number,
  onRead: OnRead,
  signal: AbortSignal,
): Promise<Dialled> {
  const sockets: net.Socket[] = [];
  const limit = AbortSignal.any([signal, AbortSignal.timeout(DIAL_TIMEOUT_MS)]);
  const attempts = addresses.map(async (address, index) => {
    await pause(index * NEXT_ADDRESS_MS, limit);
    const socket = open({ host: address.text, port }, onRead);
    sockets.push(socket);
    return connected(socket, limit);
  });
  try {
    const socket = await Promise.any(attempts);
    for (const each of sockets) if (each !== socket) each.destroy();
    return { ok: true, socket };
  } catch (error) {
    for (const each of sockets) each.destroy();
    const causes = error instanceof AggregateError ? (error.errors as Error[]) : [error as Error];
    const where = formatHostPort(addresses[0]?.text ?? "", port);
    const told = causes.find((cause) => !(cause instanceof DOMException)) ?? causes[0];
    return { ok: false, failure: failureOf(told, where) };
  }
}

/** Connects to a socket of this machine. */
export async function dialPath(path: string, onRead: OnRead, signal: AbortSignal): Promise<Dialled> {
  const socket = open({ path }, onRead);
  try {
    return {
      ok: true,
      socket: await connected(socket, AbortSignal.any([signal, AbortSignal.timeout(DIAL_TIMEOUT_MS)])),
    };
  } catch (error) {
    socket.destroy();
    return { ok: false, failure: failureOf(error as Error, path) };
  }
}

function open(where: net.TcpSocketConnectOpts | net.IpcSocketConnectOpts, onRead: OnRead): net.Socket {
  const socket = net.connect({
    ...where,
    allowHalfOpen: true,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEPALIVE_MS,
    onread: { buffer: landing, callback: (count, buffer) => onRead((buffer as Buffer).subarray(0, count)) },
  } as net.NetConnectOpts);
  // Every socket has an error listener from its first moment: an unhandled one ends the process.
  socket.on("error", () => {});
  return socket;
}

function connected(socket: net.Socket, signal: AbortSignal): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      socket.destroy();
      reject(signal.reason as Error);
    };
    if (signal.aborted) return abort();
    signal.addEventListener("abort", abort, { once: true });
    socket.once("connect", () => {
      signal.removeEventListener("abort", abort);
      resolve(socket);
    });
    socket.once("error", (error) => {
      signal.removeEventListener("abort", abort);
      reject(error);
    });
  });
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (ms === 0) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        reject(signal.reason as Error);
      },
      { once: true },
    );
  });
}

/** What a failed connect means, in the words of docs/protocol.md section 8. */
export function failureOf(error: (Error & { code?: unknown }) | undefined, where: string): Failure {
  switch (error?.code) {
    case "ECONNREFUSED":
      return { code: "target-refused", reason: `${where} refused the connection: nothing listens there` };
    case "ENOENT":
      return { code: "target-refused", reason: `${where} does not exist` };
    case "ECONNRESET":
    case "EPIPE":
      return { code: "target-reset", reason: `${where} broke the connection off` };
    case "EHOSTUNREACH":
    case "ENETUNREACH":
    case "EHOSTDOWN":
    case "ENETDOWN":
    case "EADDRNOTAVAIL":
      return { code: "target-unreachable", reason: `no route to ${where} (${error.code})` };
    case "ETIMEDOUT":
      return { code: "target-timeout", reason: `${where} did not answer` };
    case "EMFILE":
    case "ENFILE":
      return { code: "busy", reason: "the agent has no file descriptors left" };
    default:
      if (error?.name === "TimeoutError")
        return { code: "target-timeout", reason: `${where} did not answer in ${DIAL_TIMEOUT_MS / 1000} s` };
      return { code: "target-unreachable", reason: `${where}: ${error?.message ?? "no connection"}` };
  }
}
