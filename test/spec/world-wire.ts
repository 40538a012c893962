import type { Way } from "./traffic.ts";

/** What travels over one connection between an end and its relay. */
export type Message =
  | { kind: "hello"; alone: boolean }
  | { kind: "welcome" }
  | { kind: "ping" }
  | { kind: "pong" }
  | { kind: "frame"; bytes: Uint8Array }
  /** The sender has closed its socket, or was told that there is nobody: nothing follows. */
  | { kind: "close" };

type Sent = { message: Message; at: number };

/**
 * One connection, as two ends see it: each may hold it while the other has long let go. What is sent while its path is dark
 * waits in the sender's kernel, and arrives when the path is light again.
 */
export class Wire {
  readonly end: "agent" | "caller";
  readonly index: number;
  readonly open = { end: true, relay: true };
  /** Ways that are dark for this connection alone. */
  readonly dark = new Set<Way>();
  readonly #queues: Record<Way, Sent[]> = { up: [], down: [] };

  constructor(end: "agent" | "caller", index: number) {
    this.end = end;
    this.index = index;
  }

  /** `at`: when it arrives, at the earliest. */
  send(way: Way, message: Message, at: number): void {
    const sender = way === "up" ? "end" : "relay";
    if (!this.open[sender]) return;
    const queue = this.#queues[way];
    queue.push({ message, at: Math.max(queue.at(-1)?.at ?? 0, at) });
    if (message.kind === "close") this.open[sender] = false;
  }

  /** The next message that has arrived, for a reader that still holds the socket; one for a reader that has let go is answered as a kernel does. */
  take(way: Way, now: number): Message | undefined {
    const queue = this.#queues[way];
    const [first] = queue;
    if (first === undefined || first.at > now || this.dark.has(way)) return undefined;
    queue.shift();
    const [reader, sender] = way === "up" ? (["relay", "end"] as const) : (["end", "relay"] as const);
    if (this.open[reader]) return first.message;
    if (first.message.kind !== "close" && this.open[sender])
      this.#queues[way === "up" ? "down" : "up"].push({ message: { kind: "close" }, at: now });
    return undefined;
  }

  /** Reset by something in between: what is on its way is lost. `told`: which ends learn of it at once; the other one when it sends. */
  reset(told: readonly ("end" | "relay")[], now: number): void {
    const close: Sent = { message: { kind: "close" }, at: now };
    this.#queues.up = told.includes("relay") ? [close] : [];
    this.#queues.down = told.includes("end") ? [close] : [];
  }
}
