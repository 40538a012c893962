import { createHash } from "node:crypto";
import type { Socket } from "node:net";
import type { Ending, Manner, StreamView } from "./messages.ts";
import { Noise } from "./noise.ts";

const ECHO_MS = 300;
const BULK_MS = 50;
/** Bytes of a word of an echo; and that a bulk stream may send each time, each way, and at its beginning. */
const WORD = 16;
const BULK_STEP = 6 * 1024;
const BULK_START = 1024 * 1024;
const CHUNK = 32 * 1024;

/** What the kernel says of a connection that the far end has reset: to a reader, and to a writer. */
const RESETS = new Set(["ECONNRESET", "EPIPE"]);

/** One end of a stream that carries known bytes: says what it has to say, and judges each byte that it hears. */
export class StreamEnd {
  readonly id: number;
  readonly #socket: Socket;
  readonly #manner: Manner;
  readonly #side: "visitor" | "target";
  readonly #out: Noise;
  readonly #in: Noise;
  readonly #sentHash = createHash("sha256");
  readonly #receivedHash = createHash("sha256");
  readonly #timer: NodeJS.Timeout | undefined;
  #sent = 0;
  #received = 0;
  /** Bytes it has to have sent by now. */
  #wanted = 0;
  #wrongAt: number | null = null;
  #error: string | undefined;
  #ending: Ending | null = null;
  #blocked = false;
  /** We have nothing more to say; we have said so; the far end has said so before or after that. */
  #last = false;
  #ended = false;
  #heardEnd: "early" | "in order" | undefined;

  constructor(socket: Socket, id: number, manner: Manner, side: "visitor" | "target") {
    this.id = id;
    this.#socket = socket;
    this.#manner = manner;
    this.#side = side;
    this.#out = new Noise(`${id} ${side}`);
    this.#in = new Noise(`${id} ${side === "visitor" ? "target" : "visitor"}`);
    socket.setNoDelay(true);
    socket.on("drain", () => {
      this.#blocked = false;
      this.#write();
    });
    socket.on("error", (error: NodeJS.ErrnoException) => (this.#error = error.code ?? error.message));
    socket.on("end", () => this.#farEnd());
    socket.on("close", () => this.#close());
    this.#timer = this.#speak();
  }

  get view(): StreamView {
    return {
      id: this.id,
      sent: this.#sent,
      received: this.#received,
      sentSum: this.#sentHash.copy().digest("hex"),
      receivedSum: this.#receivedHash.copy().digest("hex"),
      wrongAt: this.#wrongAt,
      ending: this.#ending,
    };
  }

  hear(bytes: Buffer): void {
    this.#receivedHash.update(bytes);
    const right = this.#in.matches(bytes);
    if (right < bytes.length) this.#wrongAt ??= this.#received + right;
    this.#received += bytes.length;
    if (this.#answers) this.want(bytes.length);
  }

  /** Has so many more bytes to say. */
  want(bytes: number): void {
    if (!this.#last) this.#wanted += bytes;
    this.#write();
  }

  /** Says one word, if it is one that speaks when it is told to. */
  say(): void {
    if (this.#manner === "idle") this.want(WORD);
  }

  /** Says what it still has to say, then the end. */
  finish(): void {
    clearInterval(this.#timer);
    this.#last = true;
    this.#write();
  }

  /** A target answers each word, except in bulk. */
  get #answers(): boolean {
    return this.#side === "target" && this.#manner !== "bulk";
  }

  #speak(): NodeJS.Timeout | undefined {
    if (this.#manner === "bulk") {
      this.#wanted = BULK_START;
      setImmediate(() => this.#write());
      return setInterval(() => this.want(BULK_STEP), BULK_MS);
    }
    if (this.#side === "target") return undefined;
    setImmediate(() => this.want(WORD));
    return this.#manner === "echo" ? setInterval(() => this.want(WORD), ECHO_MS) : undefined;
  }

  #write(): void {
    if (this.#ended || this.#ending !== null) return;
    while (!this.#blocked && this.#sent < this.#wanted) {
      const bytes = this.#out.next(Math.min(CHUNK, this.#wanted - this.#sent));
      this.#sentHash.update(bytes);
      this.#sent += bytes.length;
      this.#blocked = !this.#socket.write(bytes);
    }
    if (!this.#last || this.#sent < this.#wanted) return;
    this.#ended = true;
    this.#socket.end();
  }

  #farEnd(): void {
    this.#heardEnd = this.#side === "target" || this.#last ? "in order" : "early";
    this.finish();
  }

  #close(): void {
    clearInterval(this.#timer);
    const error = this.#error;
    if (error === undefined) this.#ending = this.#heardEnd === "in order" && this.#ended ? "fin" : "cut";
    else this.#ending = RESETS.has(error) ? "reset" : { error };
  }
}
