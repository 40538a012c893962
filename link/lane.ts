import WebSocket from "ws";
import { decodeControl, encodeControl, Welcome, type Hello } from "../shared/wire/control.ts";
import { SessionError } from "../shared/wire/errors.ts";
import { decodeFrame, encodeFrame, TYPE, type Frame } from "../shared/wire/frame.ts";
import { Keepalive } from "../shared/session/keepalive.ts";
import { HELLO_TIMEOUT_MS, DEFAULT_DATA } from "../shared/wire/limits.ts";
import type { Dialler } from "./dial/dialler.ts";
import { onRefusal, openSocket } from "./dial/websocket.ts";
import { msSinceBoot } from "./edge-time.ts";
import { collectReadBuffers } from "./read-buffers.ts";
import { Path } from "../shared/session/path.ts";
import { faultOfClose, faultOfError, type LinkFault } from "./fault.ts";

const DIAL_TIMEOUT_MS = 10_000;
const CLOSE_TIMEOUT_MS = 1_000;
const CHECK_MS = 500;

export type LaneOptions = {
  /** `wss://host/.sallyport/agent` or `…/connect`. */
  url: URL;
  dialler: Dialler;
  token: string;
  hello: Hello;
  /** True while the session has bytes the far end has not consumed: then the lane pings more often. */
  waiting: () => boolean;
  /** A frame of a session, or a lane frame the lane itself does not handle. */
  frame: (frame: Frame) => void;
  /** The lane takes bulk again. */
  writable: () => void;
  /** The kernel has taken everything: waiting datagrams may be sent. */
  drained?: () => void;
};

/**
 * Dials one lane and sends HELLO. Resolves with the lane once WELCOME has come, or with why there is none.
 */
export async function dialLane(options: LaneOptions, signal: AbortSignal): Promise<Lane | LinkFault> {
  const lane = new Lane(options, signal);
  const fault = await Promise.race([lane.welcomed, lane.closed]);
  return fault ?? lane;
}

/** The Node end of one lane. */
export class Lane implements AsyncDisposable {
  readonly index: number;
  /** Resolves, never rejects, when the lane is over. */
  readonly closed: Promise<LinkFault>;
  /** Resolves when WELCOME has come. */
  readonly welcomed: Promise<undefined>;
  /** Resolves when the lane is suspected to be dead for the first time. */
  readonly suspected: Promise<void>;
  /** Round trip of the last ping in milliseconds; null before the first answer. */
  rtt: number | null = null;
  /** True when it is closed. */
  over = false;
  /** True while a ping goes unanswered for too long. */
  suspect = false;
  readonly #options: LaneOptions;
  readonly #socket: WebSocket;
  readonly #keepalive = new Keepalive(performance.now(), Math.random());
  #welcome: Welcome | undefined;
  /** Frames that came in one read with WELCOME, before `dialLane` could resolve; null once `start` was called. */
  #early: Frame[] | null = [];
  #fault: LinkFault | undefined;
  /** What is in flight, and the round trip and rate measured. */
  readonly path = new Path();
  /** Promises to resolve once `total` bytes have arrived. */
  #awaiting: { total: number; resolve: () => void }[] = [];
  #welcomed: (none: undefined) => void = () => {};
  #suspected: () => void = () => {};

  constructor(options: LaneOptions, signal: AbortSignal) {
    this.#options = options;
    this.index = options.hello.lane;
    this.welcomed = new Promise((resolve) => (this.#welcomed = resolve));
    this.suspected = new Promise((resolve) => (this.#suspected = resolve));
    const socket = openSocket(options.dialler, options.url, options.token);
    this.#socket = socket;
    this.closed = new Promise((resolve) => {
      socket.on("close", (code, reason) => resolve((this.#fault ??= faultOfClose(code, reason.toString()))));
    });
    socket.on("error", (error) => (this.#fault ??= faultOfError(error)));
    onRefusal(socket, (fault) => this.#end(fault));
    socket.on("open", () => socket.send(encodeControl(TYPE.HELLO, options.hello)));
    socket.on("message", (data: Buffer, isBinary) => this.#message(data, isBinary));
    this.#watch(signal);
  }

  get welcome(): Welcome {
    if (this.#welcome === undefined) throw new Error("no WELCOME yet");
    return this.#welcome;
  }

  /** Bytes of the largest frame of bulk to send now; 0: none. */
  get maxFrame(): number {
    if (this.#socket.readyState !== WebSocket.OPEN) return 0;
    return Math.min(this.path.maxFrame, this.#welcome?.limits.frameBytes ?? DEFAULT_DATA);
  }

  /** Bytes that the socket holds because the kernel has not taken them. Datagrams wait outside the socket, where they can still be dropped. */
  get queued(): number {
    return this.#socket.bufferedAmount;
  }

  send(frame: Uint8Array): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    this.#socket.send(frame, this.#flushed);
    this.path.sent(frame.byteLength, performance.now());
    if (this.path.isMarkDue(this.index === 0)) this.ping();
  }

  /** Resolves when all that was sent until now has arrived at the edge, or the lane is over. */
  async delivered(): Promise<void> {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    const arrival = new Promise<void>((resolve) => this.#awaiting.push({ total: this.path.sentBytes, resolve }));
    this.ping();
    await Promise.race([arrival, this.closed]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close(1000, "done");
    const timer = setTimeout(() => this.#socket.terminate(), CLOSE_TIMEOUT_MS);
    await this.closed;
    clearTimeout(timer);
  }

  readonly #flushed = (): void => {
    if (this.#socket.bufferedAmount === 0) this.#options.drained?.();
  };

  /** Sends a ping. The platform answers pings in order and without waking the relay, so they serve as this end's MARKs. */
  ping(): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    this.path.mark(performance.now());
    this.#socket.send("ping");
  }

  #message(data: Buffer, isBinary: boolean): void {
    collectReadBuffers(data.byteLength);
    const now = performance.now();
    this.#keepalive.received(now, !isBinary);
    this.suspect = false;
    if (!isBinary) {
      this.rtt = this.path.echoed(now) ?? this.rtt;
      const { arrivedBytes: arrived } = this.path;
      for (const each of this.#awaiting) if (each.total <= arrived) each.resolve();
      this.#awaiting = this.#awaiting.filter(({ total }) => total > arrived);
      if (this.path.isMarkDue(this.index === 0)) this.ping();
      this.#options.writable();
      return;
    }
    this.#closeOnViolation(() => this.#frame(decodeFrame(data)));
  }

  /** Starts to pass frames on. Call it once, when WELCOME has been handled. */
  start(): void {
    const early = this.#early ?? [];
    this.#early = null;
    this.#closeOnViolation(() => early.forEach((frame) => this.#options.frame(frame)));
  }

  #closeOnViolation(step: () => void): void {
    try {
      step();
    } catch (error) {
      if (!(error instanceof SessionError)) throw error;
      this.#end({
        retryable: true,
        code: "protocol",
        reason: `the edge broke the protocol: ${error.message}`,
        afterMs: 0,
      });
    }
  }

  #frame(frame: Frame): void {
    if (frame.type === TYPE.MARK) {
      this.send(encodeFrame({ type: TYPE.MARK, offset: frame.offset }));
    } else if (this.#welcome !== undefined) {
      if (this.#early === null) this.#options.frame(frame);
      else this.#early.push(frame);
    } else if (frame.type === TYPE.WELCOME) {
      this.#welcome = decodeControl(frame, Welcome);
      this.#welcomed(undefined);
    } else {
      throw new SessionError("protocol", "not a WELCOME");
    }
  }

  /** Checks the lane regularly until it is over. */
  #watch(signal: AbortSignal): void {
    const abort = (): void => this.#socket.close(1000, "done");
    signal.addEventListener("abort", abort, { once: true });
    const welcoming = setTimeout(() => {
      if (this.#welcome === undefined)
        this.#end({ retryable: true, code: "silent", reason: "the edge sent no WELCOME in time", afterMs: 0 });
    }, DIAL_TIMEOUT_MS + HELLO_TIMEOUT_MS);
    const checking = setInterval(() => this.#check(), CHECK_MS);
    checking.unref();
    void this.closed.then(() => {
      this.over = true;
      clearInterval(checking);
      clearTimeout(welcoming);
      signal.removeEventListener("abort", abort);
    });
  }

  #check(): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    const waiting = this.#options.waiting() || this.#socket.bufferedAmount > 0;
    const { ping, suspect, dead, silentMs } = this.#keepalive.check(performance.now(), msSinceBoot(), waiting);
    if (dead)
      return this.#end({
        retryable: true,
        code: "silent",
        reason: `nothing came from the edge for ${Math.round(silentMs / 1000)} s`,
        afterMs: 0,
      });
    if (ping) this.ping();
    this.suspect = suspect;
    if (suspect) this.#suspected();
  }

  #end(fault: LinkFault): void {
    this.#fault ??= fault;
    this.#socket.terminate();
  }
}
