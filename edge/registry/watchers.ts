import type { LiveMessage } from "../../shared/rule/live.ts";
import type { TokenState } from "./types.ts";

/** Pages and programs that may watch at once: each change is told to each of them. */
const MAX_WATCHERS = 64;
/** Bytes of the longest message: what is left out is asked for anyway when it matters. */
const MAX_MESSAGE = 256 * 1024;

/** Close codes that say what to do: log in again, or come back later. */
export const LIVE_CLOSE = { over: 4401, busy: 4429 } as const;

/** Carries the pass from the Worker to the registry. */
export const WATCH_HEADER = "x-sallyport-watch";

/** Who watches: the token it was let in by, and when that ends, in milliseconds since 1970. Outlives hibernation. */
export type WatchPass = { jti: string; until: number };

/** The part of a Durable Object's state that holds WebSockets. */
type Sockets = Pick<DurableObjectState, "getWebSockets" | "acceptWebSocket">;

/** The WebSockets of those who watch the edge. They are told of changes, and cost nothing between them. */
export class Watchers {
  readonly #sockets: Sockets;

  constructor(sockets: Sockets) {
    this.#sockets = sockets;
  }

  get hasAny(): boolean {
    return this.#sockets.getWebSockets().length > 0;
  }

  /** Answers false when there are too many. */
  accept(socket: WebSocket, pass: WatchPass): boolean {
    // A closed one stays until its end answers, which it may never do.
    const isFull = this.#sockets.getWebSockets().filter(isOpen).length >= MAX_WATCHERS;
    this.#sockets.acceptWebSocket(socket);
    socket.serializeAttachment(pass);
    if (isFull) socket.close(LIVE_CLOSE.busy, "too many are watching");
    return !isFull;
  }

  broadcast(message: LiveMessage, now: number): void {
    const sockets = this.#sockets.getWebSockets();
    if (sockets.length === 0) return;
    const text = JSON.stringify(message);
    if (text.length > MAX_MESSAGE) return;
    for (const socket of sockets) {
      if (passOf(socket).until <= now) close(socket, "the login has ended");
      else send(socket, text);
    }
  }

  /** Ends those whose token is not good any more. */
  closeInvalid(state: (jti: string) => TokenState): void {
    for (const socket of this.#sockets.getWebSockets())
      if (state(passOf(socket).jti) !== "live") close(socket, "the token was revoked");
  }
}

function passOf(socket: WebSocket): WatchPass {
  return socket.deserializeAttachment() as WatchPass;
}

function send(socket: WebSocket, text: string): void {
  if (isOpen(socket)) socket.send(text);
}

function isOpen({ readyState }: WebSocket): boolean {
  return readyState === WebSocket.OPEN;
}

function close(socket: WebSocket, reason: string): void {
  try {
    socket.close(LIVE_CLOSE.over, reason);
  } catch {
    // Closed by the other end already.
  }
}
