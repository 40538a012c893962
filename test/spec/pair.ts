import { decodeFrame, FLAG_MORE, stamp, type Frame } from "../../shared/wire/frame.ts";
import type { Dial } from "../../shared/wire/open.ts";
import { encodeDial } from "../../shared/wire/open.ts";
import { TYPE } from "../../shared/wire/frame.ts";
import { DEFAULT_DATA } from "../../shared/wire/limits.ts";
import { decodeResume, Secret, type StreamRecord } from "../../shared/wire/resume.ts";
import { Session } from "../../shared/session/session.ts";
import { chunkOf, type Stream } from "../../shared/session/stream.ts";
import type { Failure, SessionCode } from "../../shared/wire/errors.ts";

/** A caller and an agent joined by two queues that deliver when told to. The clock stands still unless moved. */
export type Pair = {
  caller: Session;
  agent: Session;
  /** Delivers frames until none is on its way; `most` stops early. Answers how many were delivered. */
  deliver: (most?: number) => number;
  /** Frames on their way, by direction. */
  toAgent: Uint8Array[];
  toCaller: Uint8Array[];
  /** Every frame ever sent, decoded. */
  sent: { from: "caller" | "agent"; frame: Frame }[];
  dialled: { stream: Stream; dial: Dial }[];
  over: { end: "caller" | "agent"; code: SessionCode; reason: string }[];
  clock: { now: number };
  /** False: neither lane has room for bulk. */
  room: { open: boolean };
  /** Loses every frame on its way; both ends notice. */
  cut: () => void;
  /** The path is back: the caller asks to go on. */
  heal: () => void;
};

export const WINDOW = 4 * 1024 * 1024;

/** `timed`: the caller has said that it reads times in DGRAM. `drained`: datagrams that waited there may go. */
export type PairOptions = {
  window?: number;
  onDial?: (stream: Stream, dial: Dial) => void;
  timed?: boolean;
  drained?: (end: "caller" | "agent") => void;
};

export function pair(options: PairOptions = {}): Pair {
  const window = options.window ?? WINDOW;
  const clock = { now: 0 };
  const room = { open: true };
  const id = new Uint8Array(16).fill(1);
  const secret = (): Secret => new Secret(id, new Uint8Array(32).fill(2));
  let pages: StreamRecord[] = [];
  const toAgent: Uint8Array[] = [];
  const toCaller: Uint8Array[] = [];
  const sent: Pair["sent"] = [];
  const dialled: Pair["dialled"] = [];
  const over: Pair["over"] = [];
  const io = (from: "caller" | "agent", queue: Uint8Array[]) => ({
    send: (frame: Uint8Array) => {
      // A copy, as a socket makes one: headers in kept chunks are rewritten later.
      const copy = frame.slice();
      sent.push({ from, frame: decodeFrame(copy) });
      queue.push(copy);
    },
    maxFrame: () => (room.open ? DEFAULT_DATA : 0),
    now: () => clock.now,
  });
  const caller = new Session({
    role: "caller",
    to: { channel: 0, slot: 7 },
    io: io("caller", toAgent),
    secret: secret(),
    drained: () => options.drained?.("caller"),
    ended: (code, reason) => over.push({ end: "caller", code, reason }),
  });
  const agent = new Session({
    role: "agent",
    to: { channel: 3, slot: 0 },
    io: io("agent", toCaller),
    secret: secret(),
    timed: options.timed ?? false,
    drained: () => options.drained?.("agent"),
    dial: (stream, dial) => {
      dialled.push({ stream, dial });
      options.onDial?.(stream, dial);
    },
    ended: (code, reason) => over.push({ end: "agent", code, reason }),
  });
  const take = (frame: Frame): void => {
    if (frame.type !== TYPE.RESUME) return agent.receive(frame);
    const resume = decodeResume(frame.payload);
    pages.push(...resume.records);
    if ((frame.flags & FLAG_MORE) !== 0) return;
    const records = pages;
    pages = [];
    agent.acceptResume({ channel: 3, slot: 0 }, frame.offset, resume.proof, records);
  };
  const cut = (): void => {
    toAgent.length = 0;
    toCaller.length = 0;
    pages = [];
    caller.suspend();
    agent.suspend();
  };
  const heal = (): void => caller.resume();
  const deliver = (most = Number.POSITIVE_INFINITY): number => {
    let count = 0;
    while (count < most && toAgent.length + toCaller.length > 0) {
      const down = toAgent.shift();
      if (down !== undefined) {
        stamp(down, { channel: 3 });
        take(decodeFrame(down));
        count += 1;
      }
      const up = count < most ? toCaller.shift() : undefined;
      if (up !== undefined) {
        stamp(up, { slot: 7 });
        caller.receive(decodeFrame(up));
        count += 1;
      }
    }
    return count;
  };
  caller.grantWindow(window);
  agent.grantWindow(window);
  deliver();
  sent.length = 0;
  return { caller, agent, deliver, toAgent, toCaller, sent, dialled, over, clock, room, cut, heal };
}

/** What an application saw of a stream. `eager` takes bytes at once; else say `take()`. */
export class Sink {
  bytes: number[] = [];
  fin = false;
  ended: Failure | null | undefined;
  writable = 0;
  accepted = false;
  waiting = 0;
  readonly stream: Stream;

  constructor(stream: Stream, eager = true) {
    this.stream = stream;
    stream.events = {
      accepted: () => (this.accepted = true),
      data: (bytes) => {
        for (const byte of bytes) this.bytes.push(byte);
        this.waiting += bytes.byteLength;
        if (eager) this.take();
      },
      fin: () => (this.fin = true),
      writable: () => (this.writable += 1),
      ended: (failure) => (this.ended = failure),
    };
  }

  take(most = this.waiting): void {
    const count = Math.min(most, this.waiting);
    this.waiting -= count;
    this.stream.consumed(count);
  }
}

export const DIAL: Dial = {
  target: "127.2.2.101:8080",
  kind: "tcp",
  mapping: 1,
  endpoint: "8080/tcp",
  visitor: "203.0.113.9:40000",
  options: "",
  token: "",
  grant: "",
  ref: "",
};

export function open(from: Pair): Stream {
  return from.caller.open(TYPE.DIAL, encodeDial(DIAL), { mapping: DIAL.mapping });
}

/** An open stream with a sink at each end. */
export function connect(from: Pair, eager = true): { caller: Sink; agent: Sink } {
  const stream = open(from);
  const caller = new Sink(stream, eager);
  from.deliver();
  const far = from.dialled.at(-1)?.stream;
  if (far === undefined) throw new Error("not dialled");
  const agent = new Sink(far, eager);
  far.accept({ target: DIAL.target, local: "127.0.0.1:1" });
  from.deliver();
  return { caller, agent };
}

export function write(stream: Stream, words: string): void {
  stream.write(chunkOf(new TextEncoder().encode(words)));
}

export function text(bytes: number[]): string {
  return new TextDecoder().decode(Uint8Array.from(bytes));
}
