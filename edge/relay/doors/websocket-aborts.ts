/** Milliseconds a visitor gets to answer the close of a WebSocket. */
const CLOSE_TIMEOUT_MS = 10_000;

/**
 * WebSockets that the Worker aborts for a relay. A relay can close a WebSocket, but the platform then waits without limit for the
 * visitor's answer and keeps all that is queued (measured, workerd 2026-11-17: over two minutes). The Worker can abort the request
 * that it passed to the relay, so it asks the relay when to do that.
 */
export class WebSocketAborts {
  /** Promises that the Worker waits for, by the key that it gave. */
  readonly #waiting = new Map<string, PromiseWithResolvers<void>>();

  /** Adds a WebSocket and returns the handle that aborts it. With the key "" the Worker doesn't abort it. */
  begin(key: string): AbortHandle {
    if (key !== "") this.#waiting.set(key, Promise.withResolvers());
    const now = (): void => {
      this.#waiting.get(key)?.resolve();
      this.#waiting.delete(key);
    };
    return { now, soon: () => void setTimeout(now, CLOSE_TIMEOUT_MS) };
  }

  /** Resolves when the Worker must abort the WebSocket with this key; at once when there is none. */
  due(key: string): Promise<void> {
    return this.#waiting.get(key)?.promise ?? Promise.resolve();
  }
}

/** Aborts one WebSocket: at once, or when the visitor has had time to answer the close. */
export type AbortHandle = { readonly now: () => void; readonly soon: () => void };
