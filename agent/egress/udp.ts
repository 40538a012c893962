import type { Address } from "../../shared/address/address.ts";
import type { DialOptions } from "../../shared/wire/dial-options.ts";
import type { Failure } from "../../shared/wire/errors.ts";
import { EarlyDatagrams, FLOW_IDLE_MS, IdleFlows, type DatagramQueue } from "../../shared/session/flow.ts";
import type { Dial } from "../../shared/wire/open.ts";
import { formatHostPort } from "../../shared/address/socket-address.ts";
import type { Stream } from "../../shared/session/stream.ts";
import { parseTarget } from "../../shared/address/target.ts";
import type { Meanings } from "../../shared/address/target-rule.ts";
import { deferred } from "../../link/deferred.ts";
import { EventLoopWatch } from "../../link/event-loop-watch.ts";
import { judge, resolveDenied, type TargetPolicy } from "../policy.ts";
import type { Traffic } from "../report.ts";
import { failureOf } from "./dial.ts";
import { UdpAnswerFilter } from "./udp-answer-filter.ts";
import { TargetSocket } from "./udp-socket.ts";

const SWEEP_MS = 1_000;
/** Milliseconds of silence that end a flow while the agent drains. */
const DRAIN_IDLE_MS = 1_000;

export type UdpHost = {
  policy: TargetPolicy;
  queue: DatagramQueue;
  /** Tells whether an open TCP connection proves this visitor's address. */
  proved: (visitor: string) => boolean;
};

type Flow = { touched: number; idleMs: number; stream: Stream };

/** The UDP flows of an agent. Each has a local port of its own, so that the target sees one source, and receives from the target's host only. */
export class UdpEgress {
  readonly #host: UdpHost;
  readonly #flows = new IdleFlows<Flow>();
  readonly #eventLoop = new EventLoopWatch();
  #sweep: NodeJS.Timeout | undefined;

  constructor(host: UdpHost) {
    this.#host = host;
  }

  get flows(): number {
    return this.#flows.size;
  }

  /** Ends flows sooner while the agent drains: their idle time shrinks to DRAIN_IDLE_MS, because visitors never end a flow. */
  drain(): void {
    for (const flow of this.#flows.all) flow.idleMs = Math.min(flow.idleMs, DRAIN_IDLE_MS);
  }

  /** Serves a flow from DIAL to its end. Calls `dialled` once the dial is over, with the local address if it succeeded. Resolves with why it ended; null: in order. */
  async serve(
    stream: Stream,
    request: Dial,
    options: DialOptions,
    traffic: Traffic,
    dialled: (local?: string) => void,
  ): Promise<Failure | null> {
    const { policy, queue, proved } = this.#host;
    const { drops } = queue;
    const { promise, resolve } = deferred<Failure | null>();
    const early = new EarlyDatagrams(undefined, drops);
    const flow: Flow = {
      touched: performance.now(),
      idleMs: (options.idleSeconds ?? FLOW_IDLE_MS / 1000) * 1000,
      stream,
    };
    let open: { socket: TargetSocket; answers: UdpAnswerFilter } | undefined;

    const toTarget = (bytes: Uint8Array): void => {
      flow.touched = performance.now();
      open?.socket.send(bytes, open.answers.fromVisitor(bytes), () => (drops.socket += 1));
    };
    stream.events = {
      data: (bytes) => stream.consumed(bytes.byteLength),
      fin: () => stream.finish(),
      datagram: (bytes, age) => {
        traffic.bytesIn += bytes.byteLength;
        if (open !== undefined) toTarget(bytes);
        else early.add(bytes, performance.now() - age / 1000);
      },
      dropped: (reason) => (drops[reason] += 1),
      ended: (failure) => {
        this.#remove(flow);
        open?.socket.close();
        resolve(failure ?? open?.answers.failure ?? null);
        open = undefined;
      },
    };

    const dial = await dialUdp(policy, request.target);
    if (!dial.ok) {
      dialled();
      stream.reject(dial.failure.code, dial.failure.reason);
      return promise;
    }
    const { socket, ...target } = dial;
    dialled(socket.local);
    if (stream.over) {
      socket.close();
      return promise;
    }
    const answers = new UdpAnswerFilter({
      ...{ ...target, policy, drops, guard: options.guard },
      proved: () => proved(request.visitor),
    });
    open = { socket, answers };
    this.#add(flow);
    socket.listen({
      message: (bytes, port) => {
        flow.touched = performance.now();
        if (this.#eventLoop.isStale()) return void (drops.late += 1);
        const answer = answers.fromTarget(bytes, port);
        if (answer === null) return;
        traffic.bytesOut += answer.byteLength;
        queue.send(stream, answer);
      },
      // The flow ends, and the next datagram opens another.
      error: (error) => {
        const { code, reason } = failureOf(error, request.target);
        stream.reset(code, reason);
      },
    });
    stream.accept({ target: request.target, local: socket.local });
    for (const bytes of early.take(performance.now())) toTarget(bytes);
    return promise;
  }

  #add(flow: Flow): void {
    this.#flows.add(flow);
    this.#eventLoop.begin();
    this.#sweep ??= setInterval(() => {
      for (const each of this.#flows.overdue(performance.now())) each.stream.finish();
    }, SWEEP_MS).unref();
  }

  #remove(flow: Flow): void {
    this.#flows.delete(flow);
    if (this.#flows.size > 0) return;
    this.#eventLoop.end();
    clearInterval(this.#sweep);
    this.#sweep = undefined;
  }
}

type Dialled =
  | { ok: true; socket: TargetSocket; host: string; address: Address; port: number; meanings: Meanings }
  | { ok: false; failure: Failure };

/** Opens a socket to the first address of a target that may be dialled. */
async function dialUdp(policy: TargetPolicy, text: string): Promise<Dialled> {
  const target = parseTarget(text);
  if (!target.ok || target.value.kind !== "port") {
    return { ok: false, failure: { code: "target-denied", reason: `${text} is not a target of a UDP endpoint` } };
  }
  const { host, first: port } = target.value;
  const judged = await judge(policy, host, port);
  if (!judged.ok) return judged;
  const [address] = judged.addresses;
  if (address === undefined)
    return { ok: false, failure: { code: "target-unresolved", reason: `${host} has no address` } };
  try {
    const meanings = await resolveDenied(policy.deny);
    return { ok: true, socket: await TargetSocket.open(address, port), host, address, port, meanings };
  } catch (error) {
    return { ok: false, failure: failureOf(error as NodeJS.ErrnoException, formatHostPort(address.text, port)) };
  }
}
