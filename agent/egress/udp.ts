import { createSocket, type Socket } from "node:dgram";
import type { Address } from "../../shared/address.ts";
import type { DialOptions } from "../../shared/dial-options.ts";
import type { Failure } from "../../shared/errors.ts";
import { Early, FLOW_IDLE_MS, Guard, IdleFlows, type DatagramQueue } from "../../shared/flow.ts";
import type { Dial } from "../../shared/open.ts";
import { formatHostPort } from "../../shared/socket-address.ts";
import type { Stream } from "../../shared/stream.ts";
import { parseTarget } from "../../shared/target.ts";
import { deferred } from "../../link/deferred.ts";
import { StandstillWatch } from "../../link/standstill.ts";
import { UdpOut } from "../../link/udp-out.ts";
import { judge, type TargetPolicy } from "../policy.ts";
import type { Tally } from "../report.ts";
import { failureOf } from "./dial.ts";

const SWEEP_MS = 1_000;
/** Milliseconds of silence that end a flow while the agent drains. */
const DRAIN_IDLE_MS = 1_000;

export type UdpHost = {
  policy: TargetPolicy;
  queue: DatagramQueue;
  /** Whether this visitor's address is proved by a connection that it has open. */
  proved: (visitor: string) => boolean;
};

type Flow = { touched: number; idleMs: number; stream: Stream };

/** Serves flows: a connected socket each, so that the target sees one source port and only the target is heard. */
export class UdpEgress {
  readonly #host: UdpHost;
  readonly #flows = new IdleFlows<Flow>();
  readonly #standstill = new StandstillWatch();
  #sweep: NodeJS.Timeout | undefined;

  constructor(host: UdpHost) {
    this.#host = host;
  }

  get flows(): number {
    return this.#flows.size;
  }

  /** The agent is stopping: nobody ends a flow, so those that are quiet now are over. */
  drain(): void {
    for (const flow of this.#flows.all) flow.idleMs = Math.min(flow.idleMs, DRAIN_IDLE_MS);
  }

  /** The life of one flow, from DIAL to its end. `dialled` is called once the dial is over, with our own address if it succeeded. Answers how it ended. */
  async serve(
    stream: Stream,
    request: Dial,
    options: DialOptions,
    tally: Tally,
    dialled: (local?: string) => void,
  ): Promise<Failure | null> {
    const { policy, queue, proved } = this.#host;
    const { drops } = queue;
    const { promise, resolve } = deferred<Failure | null>();
    const early = new Early(undefined, drops);
    const guard = new Guard(options.guard);
    const flow: Flow = {
      touched: performance.now(),
      idleMs: (options.idleSeconds ?? FLOW_IDLE_MS / 1000) * 1000,
      stream,
    };
    let socket: Socket | undefined;
    let out: UdpOut | undefined;

    const toTarget = (bytes: Uint8Array): void => {
      flow.touched = performance.now();
      out?.send(bytes, null, () => (drops.socket += 1));
    };
    stream.events = {
      data: (bytes) => stream.consumed(bytes.byteLength),
      fin: () => stream.finish(),
      datagram: (bytes, age) => {
        tally.bytesIn += bytes.byteLength;
        guard.heard(bytes.byteLength);
        if (socket !== undefined) toTarget(bytes);
        else early.add(bytes, performance.now() - age / 1000);
      },
      dropped: (reason) => (drops[reason] += 1),
      ended: (failure) => {
        this.#remove(flow);
        socket?.close();
        socket = undefined;
        out = undefined;
        resolve(failure);
      },
    };

    const opened = await open(policy, request.target);
    if (!opened.ok) {
      dialled();
      stream.reject(opened.failure.code, opened.failure.reason);
      return promise;
    }
    const { address, port } = opened.socket.address();
    const local = formatHostPort(address, port);
    dialled(local);
    if (stream.over) {
      opened.socket.close();
      return promise;
    }
    socket = opened.socket;
    out = new UdpOut(socket);
    this.#add(flow);
    socket.on("message", (bytes) => {
      flow.touched = performance.now();
      if (this.#standstill.isStale()) return void (drops.late += 1);
      if (!guard.allows(bytes.byteLength)) {
        if (!proved(request.visitor)) return void (drops.guard += 1);
        guard.prove();
        if (!guard.allows(bytes.byteLength)) return void (drops.guard += 1);
      }
      tally.bytesOut += bytes.byteLength;
      queue.send(stream, bytes);
    });
    // ICMP says that nobody listens there: the flow ends, and the next datagram opens another.
    socket.on("error", (error) => {
      const { code, reason } = failureOf(error, request.target);
      stream.reset(code, reason);
    });
    stream.accept({ target: request.target, local });
    for (const bytes of early.take(performance.now())) toTarget(bytes);
    return promise;
  }

  #add(flow: Flow): void {
    this.#flows.add(flow);
    this.#standstill.begin();
    this.#sweep ??= setInterval(() => {
      for (const each of this.#flows.overdue(performance.now())) each.stream.finish();
    }, SWEEP_MS).unref();
  }

  #remove(flow: Flow): void {
    this.#flows.delete(flow);
    if (this.#flows.size > 0) return;
    this.#standstill.end();
    clearInterval(this.#sweep);
    this.#sweep = undefined;
  }
}

type Opened = { ok: true; socket: Socket } | { ok: false; failure: Failure };

async function open(policy: TargetPolicy, text: string): Promise<Opened> {
  const target = parseTarget(text);
  if (!target.ok || target.value.kind !== "port") {
    return { ok: false, failure: { code: "target-denied", reason: `${text} is no target of a UDP endpoint` } };
  }
  const { host, first } = target.value;
  const judged = await judge(policy, host, first);
  if (!judged.ok) return judged;
  const [address] = judged.addresses;
  if (address === undefined)
    return { ok: false, failure: { code: "target-unresolved", reason: `${host} has no address` } };
  return connected(address, first);
}

/** A datagram socket has nobody to answer a dial: connected means that the kernel has a route. */
function connected(address: Address, port: number): Promise<Opened> {
  return new Promise((resolve) => {
    const socket = createSocket(address.version === 4 ? "udp4" : "udp6");
    const failed = (error: NodeJS.ErrnoException): void => {
      socket.close();
      resolve({ ok: false, failure: failureOf(error, formatHostPort(address.text, port)) });
    };
    socket.once("error", failed);
    socket.connect(port, address.text, () => {
      socket.off("error", failed);
      resolve({ ok: true, socket });
    });
  });
}
