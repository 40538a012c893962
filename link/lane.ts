import WebSocket from "ws";
import { decodeControl, encodeControl, Welcome, type Hello } from "../shared/control.ts";
import { SessionError } from "../shared/errors.ts";
import { decodeFrame, encodeFrame, TYPE, type Frame } from "../shared/frame.ts";
import { BUSY_DEAD_MS, BUSY_PING_MS, DEAD_MS, HELLO_TIMEOUT_MS, MAX_CONTROL, MAX_FRAME, PING_MS } from "../shared/limits.ts";
import { faultOfClose, faultOfError, faultOfStatus, type LinkFault } from "./fault.ts";

/** Bytes handed to the socket and not yet taken by the kernel beyond which bulk waits. */
const ROOM_BYTES = 256 * 1024;
const DIAL_TIMEOUT_MS = 10_000;
const TICK_MS = 500;

export type LaneOptions = {
  /** `wss://host/.sallyport/agent` or `…/connect`. */
  url: URL;
  token: string;
  hello: Hello;
  /** True while the session has bytes the far end has not consumed: then the path is watched closely. */
  waiting: () => boolean;
  /** A frame of a session, or a lane frame the lane itself does not handle. */
  frame: (frame: Frame) => void;
  /** There is room for bulk again. */
  room: () => void;
  /** The kernel has taken everything: datagrams that waited may go. */
  drained?: () => void;
};

/** The Node end of one lane, from WELCOME to its close. */
export type Lane = AsyncDisposable & {
  readonly index: number;
  readonly welcome: Welcome;
  /** Milliseconds, of the last ping; null before the first. */
  readonly rtt: number | null;
  readonly room: boolean;
  /** Bytes handed over and not yet taken by the kernel: datagrams wait outside, where they can still be dropped. */
  readonly queued: number;
  send: (frame: Uint8Array) => void;
  /** Resolves, never rejects, when the lane is over. */
  readonly closed: Promise<LinkFault>;
};

/**
 * Dials one lane and says HELLO. Resolves with WELCOME, or with why not.
 * Masking costs two passes over every byte; over TLS or loopback it protects nothing, so the mask is zero there (RFC 6455 section 10.3 is about plain-text proxies).
 */
export function dialLane(options: LaneOptions, signal: AbortSignal): Promise<Lane | LinkFault> {
  const { url, token, hello } = options;
  const unmasked = url.protocol === "wss:" || /^(localhost|127\.|\[::1\])/.test(url.hostname);
  const socket = new WebSocket(url, "sallyport.v1", {
    headers: { authorization: `Bearer ${token}` },
    perMessageDeflate: false,
    maxPayload: MAX_FRAME + MAX_CONTROL,
    handshakeTimeout: DIAL_TIMEOUT_MS,
    skipUTF8Validation: true,
    // A redirect could carry the token to another host.
    followRedirects: false,
    ...(unmasked ? { generateMask: (mask: Buffer) => void mask.fill(0) } : {}),
  });
  socket.binaryType = "nodebuffer";
  let fault: LinkFault | undefined;
  let heard = performance.now();
  let pinged: number | undefined;
  let rtt: number | null = null;
  let full = false;

  const closed = new Promise<LinkFault>((resolve) => {
    socket.on("close", (code, reason) => resolve((fault ??= faultOfClose(code, reason.toString()))));
  });
  socket.on("error", (error) => (fault ??= faultOfError(error)));
  socket.on("unexpected-response", (request, response) => {
    let body = "";
    response.on("data", (chunk: Buffer) => (body += body.length < 2_000 ? chunk.toString() : ""));
    response.on("end", () => {
      fault ??= faultOfStatus(response.statusCode ?? 0, detailOf(body), response.headers["retry-after"]);
      request.destroy();
      socket.terminate();
    });
  });
  const abort = (): void => socket.close(1000, "done");
  signal.addEventListener("abort", abort, { once: true });

  const end = (reason: LinkFault): void => {
    fault ??= reason;
    socket.terminate();
  };
  const send = (frame: Uint8Array): void => {
    if (socket.readyState !== WebSocket.OPEN) return;
    socket.send(frame, onFlushed);
    if (socket.bufferedAmount >= ROOM_BYTES) full = true;
  };
  const onFlushed = (): void => {
    if (socket.bufferedAmount === 0) options.drained?.();
    if (!full || socket.bufferedAmount >= ROOM_BYTES / 2) return;
    full = false;
    options.room();
  };

  const watch = setInterval(() => {
    const now = performance.now();
    const waiting = options.waiting() || socket.bufferedAmount > 0;
    if (now - heard > (waiting ? BUSY_DEAD_MS : DEAD_MS)) {
      end({ retryable: true, code: "silent", reason: `no sign of the edge for ${Math.round((now - heard) / 1000)} s`, afterMs: 0 });
    } else if (socket.readyState === WebSocket.OPEN && now - (pinged ?? 0) > (waiting ? BUSY_PING_MS : PING_MS * (0.9 + Math.random() / 5))) {
      pinged = now;
      socket.send("ping");
    }
  }, TICK_MS);
  watch.unref();
  void closed.then(() => {
    clearInterval(watch);
    signal.removeEventListener("abort", abort);
  });

  return new Promise((resolve) => {
    void closed.then(resolve);
    const helloTimer = setTimeout(() => end({ retryable: true, code: "silent", reason: "no WELCOME in time", afterMs: 0 }), DIAL_TIMEOUT_MS + HELLO_TIMEOUT_MS);
    void closed.then(() => clearTimeout(helloTimer));
    socket.on("open", () => {
      heard = performance.now();
      socket.send(encodeControl(TYPE.HELLO, hello));
    });
    let welcomed = false;
    socket.on("message", (data: Buffer, isBinary) => {
      heard = performance.now();
      if (!isBinary) {
        if (pinged !== undefined) rtt = heard - pinged;
        return;
      }
      try {
        const frame = decodeFrame(data);
        if (frame.type === TYPE.MARK) send(encodeFrame({ type: TYPE.MARK, offset: frame.offset }));
        else if (welcomed) options.frame(frame);
        else if (frame.type === TYPE.WELCOME) {
          welcomed = true;
          clearTimeout(helloTimer);
          const welcome = decodeControl(frame, Welcome);
          resolve({
            index: hello.lane,
            welcome,
            get rtt() {
              return rtt;
            },
            get room() {
              return socket.readyState === WebSocket.OPEN && socket.bufferedAmount < ROOM_BYTES;
            },
            get queued() {
              return socket.bufferedAmount;
            },
            send,
            closed,
            [Symbol.asyncDispose]: async () => {
              socket.close(1000, "done");
              const timer = setTimeout(() => socket.terminate(), 1_000);
              await closed;
              clearTimeout(timer);
            },
          });
        } else throw new SessionError("protocol", "not a WELCOME");
      } catch (error) {
        if (!(error instanceof SessionError)) throw error;
        end({ retryable: true, code: "protocol", reason: `the edge broke the protocol: ${error.message}`, afterMs: 0 });
      }
    });
  });
}

/** The `detail` of a problem document, or nothing: a stranger's page is not quoted. */
function detailOf(body: string): string {
  try {
    const { detail } = JSON.parse(body) as { detail?: unknown };
    return typeof detail === "string" ? detail.slice(0, 300) : "";
  } catch {
    return "";
  }
}
