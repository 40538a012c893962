/** Milliseconds a visitor gets to answer the end of a WebSocket. */
const CLOSE_TIMEOUT_MS = 10_000;

/**
 * WebSockets that the Worker breaks off for a relay. The platform has a relay say how a WebSocket ends, and then waits for
 * the visitor's answer for ever, with all that is queued (measured, workerd 2026-11-17: over two minutes). The Worker can
 * abort the request that it passed to the relay, so it asks when to.
 */
export class WebSocketAborts {
  /** By the key that the Worker gave: ends its waiting. */
  readonly #waiting = new Map<string, PromiseWithResolvers<void>>();

  /** Begins a WebSocket; answers what breaks it off. "" is no key: this Worker breaks nothing off. */
  begin(key: string): AbortHandle {
    if (key !== "") this.#waiting.set(key, Promise.withResolvers());
    const now = (): void => {
      this.#waiting.get(key)?.resolve();
      this.#waiting.delete(key);
    };
    return { now, soon: () => void setTimeout(now, CLOSE_TIMEOUT_MS) };
  }

  /** For the Worker: resolves when the WebSocket of this key is to be broken off, at once when there is none. */
  due(key: string): Promise<void> {
    return this.#waiting.get(key)?.promise ?? Promise.resolve();
  }
}

/** Breaks one WebSocket off: at once, or when the visitor has had time to answer its end. */
export type AbortHandle = { readonly now: () => void; readonly soon: () => void };
