import type net from "node:net";
import type { DialOptions } from "../../shared/wire/dial-options.ts";
import type { Failure } from "../../shared/wire/errors.ts";
import type { Dial } from "../../shared/wire/open.ts";
import { proxyHeader } from "../../shared/proxy-protocol.ts";
import { formatHostPort } from "../../shared/address/socket-address.ts";
import type { Stream } from "../../shared/session/stream.ts";
import { parseTarget } from "../../shared/address/target.ts";
import { judge, mayConnect, type TargetPolicy } from "../policy.ts";
import { chunkFor, recycle } from "./chunks.ts";
import { dial, dialPath, failureOf, type Dialled, type OnRead } from "./dial.ts";

/**
 * Serves a TCP stream from DIAL to its end: judges the target, dials it, and carries. Calls `dialled` once the dial is over, with the local
 * address if it succeeded. Resolves with why the stream ended; null: in order.
 */
export async function serveTcp(
  stream: Stream,
  request: Dial,
  options: DialOptions,
  policy: TargetPolicy,
  dialled: (local?: string) => void,
): Promise<Failure | null> {
  const early: EarlyData = { bytes: [], fin: false };
  let end: (failure: Failure | null) => void = () => {};
  const ended = new Promise<Failure | null>((resolve) => (end = resolve));
  const reached = await reachFor(stream, request, policy, early, end);
  const local = reached.ok ? addressOf(reached.socket.localAddress, reached.socket.localPort) : "";
  dialled(local);
  if (!reached.ok) {
    stream.reject(reached.failure.code, reached.failure.reason);
    return ended;
  }
  const { socket } = reached;
  if (stream.over) {
    socket.destroy();
    return ended;
  }
  if (options.proxyProtocol !== undefined) {
    const destination = { address: socket.localAddress ?? "", port: publicPort(request.endpoint) };
    socket.write(proxyHeader(options.proxyProtocol, request.visitor, destination));
  }
  carry(stream, socket, request.target, end);
  stream.accept({ target: addressOf(socket.remoteAddress, socket.remotePort), local });
  for (const bytes of early.bytes) stream.events.data(bytes);
  if (early.fin) stream.events.fin();
  return ended;
}

/** What the visitor sends before the target is reached. */
type EarlyData = { bytes: Uint8Array[]; fin: boolean };

/** Dials the target, until the stream ends. */
function reachFor(
  stream: Stream,
  { target }: Dial,
  policy: TargetPolicy,
  early: EarlyData,
  end: (failure: Failure | null) => void,
): Promise<Dialled> {
  const abort = new AbortController();
  stream.events = {
    data: (bytes) => void early.bytes.push(bytes),
    fin: () => (early.fin = true),
    ended: (failure) => {
      abort.abort();
      end(failure);
    },
  };
  return reach(target, policy, uploadOf(stream), abort.signal);
}

async function reach(text: string, policy: TargetPolicy, onRead: OnRead, signal: AbortSignal): Promise<Dialled> {
  const target = parseTarget(text);
  if (!target.ok) return { ok: false, failure: { code: "target-denied", reason: target.error.message } };
  switch (target.value.kind) {
    case "unix":
      if (mayConnect(policy, target.value.path)) return dialPath(target.value.path, onRead, signal);
      return {
        ok: false,
        failure: { code: "target-denied", reason: `unix:${target.value.path} is not in the agent's --allow` },
      };
    case "port": {
      const { host, first } = target.value;
      const judged = await judge(policy, host, first);
      return judged.ok ? dial(judged.addresses, first, onRead, signal) : judged;
    }
    case "http":
    case "http+unix":
      return { ok: false, failure: { code: "target-denied", reason: `${text} is not a target of a TCP endpoint` } };
  }
}

/** Makes the read callback in a function of its own: it lives as long as the connection, and keeps alive every variable around it. */
function uploadOf(stream: Stream): OnRead {
  return (bytes) => {
    stream.write(chunkFor(bytes));
    return stream.isWritable;
  };
}

/** Carries between a connected socket and a stream, both ways and with half-close. */
function carry(stream: Stream, socket: net.Socket, target: string, end: (failure: Failure | null) => void): void {
  stream.out.recycle = recycle;
  stream.endsHalfClosed = true;
  stream.events = {
    data: (bytes) => {
      socket.write(bytes, (error) => {
        if (error === undefined || error === null) stream.consumed(bytes.byteLength);
      });
    },
    fin: () => void socket.end(),
    writable: () => void socket.resume(),
    ended: (failure) => {
      // RST, never FIN, when bytes are missing: a FIN would tell the target that this was all (FTP data, HTTP/1.0).
      if (failure === null) socket.destroySoon();
      else socket.resetAndDestroy();
      end(failure);
    },
  };
  socket.on("end", () => afterEnd(socket, () => stream.finish()));
  socket.on("error", (error) => {
    const { code, reason } = failureOf(error, target);
    stream.reset(code === "target-unreachable" ? "target-reset" : code, reason);
  });
  socket.on("close", () => {
    if (!stream.finishing) stream.reset("target-reset", `${target} broke the connection off`);
  });
}

const NOTHING = new Uint8Array(0);

/**
 * Calls `inOrder` once an end of input is certain: the libuv of Node 20 reports a reset that comes together with data as an end
 * (measured 2026-11-22). Even an empty write fails after a reset, which the socket's error listener then handles.
 */
function afterEnd(socket: net.Socket, inOrder: () => void): void {
  // The empty write would wait behind pending ones, and a target that reads nothing could never end; pending writes fail by themselves.
  if (!socket.writable || socket.writableLength > 0) return inOrder();
  socket.write(NOTHING, (error) => {
    if (error === undefined || error === null) inOrder();
  });
}

/** Returns the port that the visitor came to; 0 for a service, which has none. */
function publicPort(endpoint: string): number {
  return Number(/^(\d+)\//.exec(endpoint)?.[1] ?? 0);
}

function addressOf(address: string | undefined, port: number | undefined): string {
  return address === undefined ? "" : formatHostPort(address, port ?? 0);
}
