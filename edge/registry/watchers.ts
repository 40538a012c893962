import type { LiveMessage } from "../../shared/rule/live.ts";
import type { TokenState } from "./types.ts";

/** Maximum concurrent watchers, because each change is sent to each of them. */
const MAX_WATCHERS = 64;
/** Longest message, in characters. A longer one is dropped; pages read the same data from the API. */
const MAX_MESSAGE = 256 * 1024;

/** Close codes: `ended` asks the watcher to log in again, `busy` to retry later. */
export const LIVE_CLOSE = { ended: 4401, busy: 4429 } as const;

/** Carries the pass from the Worker to the registry. */
export const WATCH_HEADER = "x-sallyport-watch";

/** A watcher's token and its end, in milliseconds since 1970. Attached to the WebSocket, so it survives hibernation. */
export type WatchPass = { jti: string; until: number };

/** The part of a Durable Object's state that holds WebSockets. */
type Sockets = Pick<DurableObjectState, "getWebSockets" | "acceptWebSocket">;

/** The WebSockets of dashboards and programs that watch the edge. They hibernate between changes. */
export class Watchers {
  readonly #sockets: Sockets;

  constructor(sockets: Sockets) {
    this.#sockets = sockets;
  }

  get hasAny(): boolean {
    return this.#sockets.getWebSockets().length > 0;
  }

  /** Accepts a watcher, or closes its WebSocket and returns false if there are too many. */
  accept(socket: WebSocket, pass: WatchPass): boolean {
    // A closed WebSocket is listed until the other end confirms, which it may never do.
    const isFull = this.#sockets.getWebSockets().filter(isOpen).length >= MAX_WATCHERS;
    this.#sockets.acceptWebSocket(socket);
    socket.serializeAttachment(pass);
    if (isFull) socket.close(LIVE_CLOSE.busy, "too many watchers");
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

  /** Closes the WebSockets whose token is no longer valid. */
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
    socket.close(LIVE_CLOSE.ended, reason);
  } catch {
    // Already closed by the other end.
  }
}
