/** A peer made by hand, which says whatever it likes to a relay: a client, a gateway or an agent. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import WebSocket from "ws";
import { unbatch } from "../../shared/wire/batch.ts";
import { encodeControl } from "../../shared/wire/control.ts";
import { encodeFields } from "../../shared/wire/fields.ts";
import { decodeFrame, encodeFrame, TYPE, type Frame } from "../../shared/wire/frame.ts";
import { decodeFailure, encodeOpen } from "../../shared/wire/open.ts";
import { PROTOCOL } from "../../shared/wire/version.ts";

export type HandKind = "client" | "gateway" | "agent";

export type HandOptions = {
  /** Of the edge: `http://host:port`. */
  url: string;
  token: string;
  kind: HandKind;
  site?: string;
  lane?: number;
  incarnation?: string;
};

export class HandMade implements AsyncDisposable {
  readonly socket: WebSocket;
  readonly kind: HandKind;
  readonly incarnation: string;
  /** Frames that came and were not asked for, MARKs among them. */
  readonly frames: Frame[] = [];
  /** The code it was closed with, or the HTTP status it was refused with. */
  readonly closed: Promise<number>;
  /** Code and reason, once it is closed. */
  ending = "";
  /** Of the first agent, for callers; its own, for an agent. */
  slot = 0;
  channel = 0;
  /** Bytes granted as the session's window. */
  window = 65_536;
  /** Whether MARKs are echoed, as the protocol wants. */
  honest = true;
  readonly #lane: number;
  #changed = Promise.withResolvers<void>();
  #gone = false;

  constructor({ url, token, kind, site = "lab", lane = 0, incarnation }: HandOptions) {
    this.kind = kind;
    this.#lane = lane;
    this.incarnation = incarnation ?? randomBytes(16).toString("hex");
    const path = kind === "agent" ? "agent" : `connect?site=${site}`;
    this.socket = new WebSocket(`${url.replace("http", "ws")}/.sallyport/${path}`, "sallyport.v1", {
      headers: { authorization: `Bearer ${token}` },
      perMessageDeflate: false,
    });
    this.socket.on("error", () => undefined);
    this.closed = new Promise((resolve) => {
      this.socket.on("close", (code, reason) => {
        this.ending ||= `${code} ${reason.toString()}`;
        resolve(code);
        this.#gone = true;
        this.#change();
      });
      this.socket.on("unexpected-response", (_, response) => {
        this.ending = String(response.statusCode);
        resolve(response.statusCode ?? 0);
        this.socket.terminate();
      });
    });
    this.socket.on("message", (bytes: Buffer, isBinary) => {
      if (isBinary) this.#hear(decodeFrame(bytes));
      this.#change();
    });
  }

  /** HELLO and WELCOME; callers also ROUTES and SESSION. */
  async join(): Promise<this> {
    await Promise.race([once(this.socket, "open"), this.closed]);
    if (this.#gone) return this;
    const { kind, incarnation } = this;
    const hello = { protocol: PROTOCOL, kind, incarnation, lane: this.#lane, version: "0", features: [] };
    this.socket.send(encodeControl(TYPE.HELLO, hello));
    const welcome = await this.next(TYPE.WELCOME);
    if (welcome === undefined) return this;
    const said = json(welcome);
    if (kind === "agent") this.slot = Number(said["slot"]);
    else {
      this.channel = Number(said["channel"]);
      const routes = await this.next(TYPE.ROUTES);
      const slots = routes === undefined ? [] : (json(routes)["slots"] as { slot: number }[]);
      this.slot = slots[0]?.slot ?? 0;
      this.session();
    }
    return this;
  }

  /** A session anew. */
  session(): void {
    this.say({ type: TYPE.SESSION, offset: this.window }, encodeFields({ 1: randomBytes(16), 2: randomBytes(32) }));
  }

  /** Says a frame; to the agent it knows, if it does not say to whom. */
  say(header: Parameters<typeof encodeFrame>[0], payload?: Uint8Array): void {
    const to = this.kind === "agent" ? {} : { slot: this.slot };
    this.raw(encodeFrame({ ...to, ...header }, payload));
  }

  raw(bytes: Uint8Array | string): void {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(bytes);
  }

  /** The next frame of these types; undefined when the lane has ended before one came. */
  async next(...types: number[]): Promise<Frame | undefined> {
    for (;;) {
      const index = this.frames.findIndex((frame) => types.includes(frame.type));
      if (index >= 0) return this.frames.splice(index, 1)[0];
      if (this.#gone) return undefined;
      await this.#changed.promise;
    }
  }

  /** The code that refuses an OPEN; "open" when it was let in, "closed" when the lane has ended. */
  async open(stream: number, endpoint: string, visitor = ""): Promise<string> {
    this.say({ type: TYPE.OPEN, stream, offset: 16_384 }, encodeOpen({ endpoint, visitor }));
    for (;;) {
      const answer = await this.next(TYPE.REJECT, TYPE.ACCEPT);
      if (answer === undefined) return "closed";
      if (answer.stream !== stream) continue;
      return answer.type === TYPE.ACCEPT ? "open" : decodeFailure(answer.payload).code;
    }
  }

  /** Reads nothing more: what is sent to it waits where it is. */
  deaf(): void {
    this.socket.pause();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // One that is deaf would never hear its own end.
    this.socket.resume();
    this.socket.terminate();
    await this.closed;
  }

  #hear(frame: Frame): void {
    if (frame.type === TYPE.MARK && this.honest) this.raw(encodeFrame({ type: TYPE.MARK, offset: frame.offset }));
    else if (frame.type === TYPE.BATCH) this.frames.push(...unbatch(frame));
    else this.frames.push(frame);
  }

  #change(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

function json({ payload }: Frame): Record<string, unknown> {
  return JSON.parse(Buffer.from(payload).toString()) as Record<string, unknown>;
}
