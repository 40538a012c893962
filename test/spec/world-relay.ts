import { encodeControl } from "../../shared/wire/control.ts";
import { decodeFrame, encodeFrame, stamp, TYPE, type Frame } from "../../shared/wire/frame.ts";
import { DEAD_MS, SUSPECT_MS } from "../../shared/wire/limits.ts";
import { encodeDial } from "../../shared/wire/open.ts";
import { DIAL } from "./pair.ts";
import type { Wire } from "./world-wire.ts";

/** An end as its relay knows it, with the sockets that the relay holds: of some the end has long let go. */
type Known = { kind: "agent" | "caller"; number: number; lanes: Map<number, Wire> };

/** A relay that forwards, and is never told more than its sockets say: what docs/protocol.md asks of one, in the plainest way. */
export class ModelRelay {
  readonly #random: () => number;
  /** A relay of before 0.2: it looks for no silence, and tells no caller when what it sent into a lane is lost. */
  readonly #isFormer: boolean;
  readonly #known = new Map<"agent" | "caller", Known>();
  readonly #heard = new Map<Wire, number>();
  #numbers = 0;
  #now = 0;
  #doubtedAt: number | null = null;
  #wakes = false;

  constructor(random: () => number, isFormer: boolean) {
    this.#random = random;
    this.#isFormer = isFormer;
  }

  /** Reads what has arrived. `isDark`: nothing comes from that end now. */
  step(now: number, wires: Iterable<Wire>, isDark: (end: "agent" | "caller") => boolean): void {
    this.#now = now;
    this.#wakes = false;
    for (const wire of wires) {
      if (isDark(wire.end)) continue;
      for (let message = wire.take("up", now); message !== undefined; message = wire.take("up", now)) {
        this.#heard.set(wire, now);
        if (message.kind === "ping") wire.send("down", { kind: "pong" }, this.#arrival());
        else this.#wakes = true;
        if (message.kind === "hello") this.#hello(wire, message.alone && !this.#isFormer);
        else if (message.kind === "close") this.#closed(wire);
        else if (message.kind === "frame") this.#frame(wire, message.bytes);
      }
    }
    if (this.#wakes || this.#doubtedAt !== null) this.#look();
  }

  /** It is made anew: its sockets are gone, and so are its numbers. */
  restart(): void {
    for (const known of [...this.#known.values()])
      for (const wire of known.lanes.values()) wire.send("down", { kind: "close" }, this.#arrival());
    this.#known.clear();
    this.#doubtedAt = null;
  }

  #arrival(): number {
    return this.#now + 5 + Math.floor(this.#random() * 40);
  }

  #send(known: Known | undefined, bytes: Uint8Array, lane: number): void {
    if (known === undefined) return;
    const wire = known.lanes.get(lane) ?? known.lanes.get(Math.min(...known.lanes.keys()));
    wire?.send("down", { kind: "frame", bytes: bytes.slice() }, this.#arrival());
  }

  #hello(wire: Wire, isAlone: boolean): void {
    const { end: kind, index } = wire;
    const before = this.#known.get(kind);
    this.#numbers += before === undefined ? 1 : 0;
    const known = before ?? { kind, number: this.#numbers, lanes: new Map<number, Wire>() };
    this.#known.set(kind, known);
    const replaced = known.lanes.get(index);
    replaced?.send("down", { kind: "close" }, this.#arrival());
    if (isAlone) {
      for (const dead of known.lanes.values()) dead.send("down", { kind: "close" }, this.#arrival());
      known.lanes.clear();
    }
    known.lanes.set(index, wire);
    wire.send("down", { kind: "welcome" }, this.#arrival());
    if (replaced !== undefined && kind === "agent") this.#nudge();
    if (kind === "caller" || before === undefined) this.#routes();
  }

  #closed(wire: Wire): void {
    wire.send("down", { kind: "close" }, this.#arrival());
    const known = this.#known.get(wire.end);
    if (known?.lanes.get(wire.index) !== wire) return;
    known.lanes.delete(wire.index);
    if (known.lanes.size > 0) return this.#nudge();
    this.#known.delete(wire.end);
    if (wire.end === "agent") this.#routes();
    else this.#send(this.#known.get("agent"), encodeFrame({ type: TYPE.AWAY, channel: known.number }), 0);
  }

  #nudge(): void {
    if (this.#isFormer) return;
    const [agent, caller] = [this.#known.get("agent"), this.#known.get("caller")];
    if (agent === undefined || caller === undefined) return;
    this.#send(caller, encodeFrame({ type: TYPE.NUDGE, channel: caller.number, slot: agent.number }), 0);
  }

  /** The channel is part of it, as in WELCOME. */
  #routes(): void {
    const [agent, caller] = [this.#known.get("agent"), this.#known.get("caller")];
    const slots =
      agent === undefined ? [] : [{ slot: agent.number, incarnation: "agent", agent: "agent", frameBytes: 262_144 }];
    this.#send(caller, encodeControl(TYPE.ROUTES, { slots, endpoints: [] }, caller?.number), 0);
  }

  #frame(wire: Wire, bytes: Uint8Array): void {
    const known = this.#known.get(wire.end);
    // Read from a socket that another has replaced.
    if (known?.lanes.get(wire.index) !== wire) return;
    const frame: Frame = decodeFrame(bytes);
    if (frame.type === TYPE.BUDGET) return;
    const far = this.#known.get(wire.end === "agent" ? "caller" : "agent");
    if (far === undefined || far.number !== (wire.end === "agent" ? frame.channel : frame.slot)) return;
    if (frame.type !== TYPE.OPEN) {
      stamp(bytes, wire.end === "agent" ? { slot: known.number } : { channel: known.number });
      return this.#send(far, bytes, frame.lane);
    }
    const { lane, slot, stream, offset } = frame;
    const dial = encodeFrame({ type: TYPE.DIAL, channel: known.number, lane, slot, stream, offset }, encodeDial(DIAL));
    this.#send(far, dial, lane);
  }

  #look(): void {
    if (this.#isFormer) return;
    const silent = [...this.#known.values()].flatMap(({ lanes }) =>
      [...lanes.values()].filter((wire) => (this.#heard.get(wire) ?? 0) < this.#now - DEAD_MS),
    );
    if (silent.length === 0) this.#doubtedAt = null;
    else if (this.#doubtedAt === null) this.#doubtedAt = this.#now;
    else if (this.#now - this.#doubtedAt >= SUSPECT_MS) for (const wire of silent) this.#closed(wire);
  }
}
