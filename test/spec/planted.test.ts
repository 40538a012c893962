import { expect, test } from "vitest";
import { CONFORMANCE, judge, type Mutant } from "./mutants.ts";

// Faults that somebody could make, planted one by one: for each, some conformance test must fail.

const SOUND: Mutant = {
  name: "nothing is wrong",
  file: "session/session.ts",
  find: "export class Session {",
  put: "export class Session { ",
};

const MUTANTS: Mutant[] = [
  // What a hostile far end may ask for
  {
    name: "what was sent may be asked for without end",
    file: "session/outgoing.ts",
    find: "if (this.#askedBytes > MAX_ASKED * this.sent + MIN_ASKED)",
    put: "if (this.#askedBytes < 0)",
  },
  {
    name: "a session is resumed as often as somebody asks",
    file: "session/resumption.ts",
    find: "!this.#answers.take(now()) || ",
    put: "",
  },
  {
    name: "a malformed DIAL ends every stream of its session",
    file: "session/stream-frames.ts",
    find: "if (!(error instanceof SessionError)) throw error;\n      const { stream, lane } = frame;",
    put: "throw error;\n      const { stream, lane } = frame;",
  },
  // Credit
  {
    name: "the check of the stream's limit is dropped",
    file: "session/incoming.ts",
    find: 'if (end > this.limit) throw new SessionError("flow-control", `bytes up to',
    put: 'if (end > Number.MAX_SAFE_INTEGER) throw new SessionError("flow-control", `bytes up to',
  },
  {
    name: "the stream's limit is off by one for the receiver",
    file: "session/incoming.ts",
    find: 'if (end > this.limit) throw new SessionError("flow-control", `bytes up to',
    put: 'if (end > this.limit + 1) throw new SessionError("flow-control", `bytes up to',
  },
  {
    name: "the sender goes one byte beyond the limit",
    file: "session/outgoing.ts",
    find: "Math.min(this.pendingBytes, this.limit - this.sent, most, MAX_DATA)",
    put: "Math.min(this.pendingBytes, this.limit - this.sent + 1, most, MAX_DATA)",
  },
  {
    name: "a limit may go back",
    file: "session/outgoing.ts",
    find: "if (limit > this.limit) this.limit = limit;",
    put: "this.limit = limit;",
  },
  {
    name: "the session's window is not enforced",
    file: "session/allowance.ts",
    find: "if (this.outstanding > this.#maxWindow && !isFirst) {",
    put: "if (false) {",
  },
  {
    name: "the sender ignores the session's window",
    file: "session/sender.ts",
    find: "const left = this.window - this.outstanding - FRAME_CHARGE;",
    put: "const left = 65_536;",
  },
  {
    name: "nothing may be sent in a window smaller than a frame",
    file: "session/sender.ts",
    find: "this.outstanding === 0 ? Math.max(left, DEFAULT_DATA) : left",
    put: "this.outstanding < 0 ? Math.max(left, DEFAULT_DATA) : left",
  },
  {
    name: "frames are not charged, only bytes",
    file: "session/outgoing.ts",
    find: "this.outstanding += size + FRAME_CHARGE;",
    put: "this.outstanding += size;",
  },
  {
    name: "credit is released twice",
    file: "session/outgoing.ts",
    find: "this.outstanding -= released;\n    return released;",
    put: "this.outstanding -= released;\n    return 2 * released;",
  },
  {
    name: "a frame's charge is released with its first byte",
    file: "session/outgoing.ts",
    find: "if (frame.end > consumed) break;",
    put: "if (frame.start >= consumed) break;",
  },
  {
    name: "what a stream had outstanding is lost when it ends",
    file: "session/stream-table.ts",
    find: "this.sender.released(stream.out.drop(), outstandingFrames);",
    put: "stream.out.drop();",
  },
  {
    name: "what a stream held is not given back when it ends",
    file: "session/allowance.ts",
    find: "this.outstanding -= stream.outstanding;",
    put: "",
  },
  {
    name: "a window that shrinks is enforced on what is on its way",
    file: "session/allowance.ts",
    find: "this.#maxWindow = Math.max(this.#maxWindow, bytes);",
    put: "this.#maxWindow = bytes;",
  },
  {
    name: "a crowded session grants less than a first flight",
    file: "session/allowance.ts",
    find: "Math.max(INITIAL_CREDIT, this.grantable(stream))",
    put: "this.grantable(stream)",
  },
  {
    name: "an agent takes INITIAL_CREDIT for granted",
    file: "session/stream-frames.ts",
    find: "stream.out.limit = frame.offset;",
    put: "stream.out.raiseLimit(frame.offset);",
  },
  {
    name: "the window never grows",
    file: "session/stream-window.ts",
    find: "if (elapsed < turn) return;",
    put: "if (elapsed >= 0) return;",
  },
  {
    name: "the window never falls back",
    file: "session/stream-window.ts",
    find: "  reset(): void {\n    this.bytes = STREAM_WINDOW;",
    put: "  reset(): void {",
  },
  {
    name: "every stream is promised its whole window",
    file: "session/allowance.ts",
    find: "return Math.max(MIN_STREAM_WINDOW, Math.min(stream.window, Math.floor(part)));",
    put: "void part;\n    return stream.window;",
  },
  {
    name: "small writes are never gathered",
    file: "session/sender.ts",
    find: "return !gathers || out.hasResends || out.finishing;",
    put: "return true;",
  },
  {
    name: "a FIN does not flush what is being gathered",
    file: "session/sender.ts",
    find: "return !gathers || out.hasResends || out.finishing;",
    put: "return !gathers || out.hasResends;",
  },
  {
    name: "readers that have stopped may use up the window byte by byte",
    file: "session/sender.ts",
    find: "return Math.min(MAX_SMALL_FRAMES, Math.max(MIN_SMALL_FRAMES, Math.floor(share / FRAME_CHARGE)));",
    put: "void share;\n    return MAX_SMALL_FRAMES;",
  },
  {
    name: "what must be sent again waits for the window",
    file: "session/sender.ts",
    find: "return out.hasResends || out.pendingBytes === 0;",
    put: "return out.pendingBytes < 0;",
  },
  {
    name: "bulk goes before small writes",
    file: "session/sender.ts",
    find: '? "urgent" : "bulk";',
    put: '? "bulk" : "urgent";',
  },
  {
    name: "a stream sends all it has before another's turn comes",
    file: "session/sender.ts",
    find: "        } else if (this.#sendOne(stream, this.#maxFrame(stream.lane))) {",
    put: "        } else if ([1, 2, 3, 4, 5].every((turn) => (turn > 1 && !stream.out.ready) || this.#sendOne(stream, this.#maxFrame(stream.lane)))) {",
  },
  {
    name: "a lane without room is written to",
    file: "session/sender.ts",
    find: "return this.#host.maxFrame(lane);",
    put: "return this.#host.maxFrame(lane) || 65_536;",
  },
  {
    name: "a frame is larger than the lane takes",
    file: "session/sender.ts",
    find: "out.take(Math.min(fitting, maxFrame))",
    put: "out.take(fitting)",
  },

  // Reports
  {
    name: "bytes are reported when they come, not when they are taken",
    file: "session/incoming.ts",
    find: "return this.done ? this.consumed + 1 : this.consumed;",
    put: "return this.received;",
  },
  {
    name: "a FIN is reported as consumed before its bytes are",
    file: "session/incoming.ts",
    find: "return this.finalSize !== null && this.received > this.finalSize && this.consumed === this.finalSize;",
    put: "return this.finalSize !== null && this.received > this.finalSize;",
  },
  {
    name: "a FIN is never reported as consumed",
    file: "session/incoming.ts",
    find: "return this.done ? this.consumed + 1 : this.consumed;",
    put: "return this.consumed;",
  },
  {
    name: "quiet streams are never reported",
    file: "session/stream-table.ts",
    find: "for (const [stream, since] of this.#unreported) if",
    put: "for (const [stream, since] of [] as [Stream, number][]) if",
  },
  {
    name: "nothing is reported before a tick",
    file: "session/incoming.ts",
    find: "return this.hasUnreported && (this.done || this.#unreportedCharge",
    put: "return this.hasUnreported && (this.done || 0",
  },
  {
    name: "nothing is reported when the window is nearly used up",
    file: "session/allowance.ts",
    find: "return this.outstanding > this.#window / 2;",
    put: "return false;",
  },
  {
    name: "reports never ride on DATA",
    file: "session/stream-table.ts",
    find: "    if (!stream.in.hasUnreported) return null;\n    const",
    put: "    if (this !== undefined) return null;\n    const",
  },
  {
    name: "every DATA says what was said already",
    file: "session/stream-table.ts",
    find: "    if (!stream.in.hasUnreported) return null;\n    const",
    put: "    const",
  },
  {
    name: "a report of more than was sent is believed",
    file: "session/outgoing.ts",
    find: 'if (consumed > most) throw new SessionError("protocol", `consumed',
    put: 'if (consumed > Infinity) throw new SessionError("protocol", `consumed',
  },
  {
    name: "a FIN may be consumed before it is sent",
    file: "session/outgoing.ts",
    find: "const most = this.finSent || this.#finRepeats ? this.sent + 1 : this.sent;\n    if (consumed",
    put: "const most = this.sent + 1;\n    if (consumed",
  },
  {
    name: "a report that goes back is believed",
    file: "session/outgoing.ts",
    find: "if (consumed <= this.consumed) return 0;",
    put: "",
  },

  // Offsets
  {
    name: "offsets are off by one",
    file: "session/outgoing.ts",
    find: "const frame = { chunk, start: this.sent, end: this.sent + size };",
    put: "const frame = { chunk, start: this.sent + 1, end: this.sent + 1 + size };",
  },
  {
    name: "what came before is delivered again",
    file: "session/incoming.ts",
    find: "if (end <= this.received) return null;\n    const fresh = bytes.subarray(this.received - offset);",
    put: "const fresh = bytes;",
  },
  {
    name: "an overlap is delivered whole",
    file: "session/incoming.ts",
    find: "bytes.subarray(this.received - offset)",
    put: "bytes",
  },
  {
    name: "bytes after a gap are delivered",
    file: "session/incoming.ts",
    find: "if (offset > this.received) return this.#gap();",
    put: "",
  },
  {
    name: "ASK is not sent",
    file: "session/stream-frames.ts",
    find: "    this.#init.control({ type: TYPE.ASK, stream: stream.id, lane: stream.lane, offset: stream.in.received });",
    put: "    void stream;",
  },
  {
    name: "ASK is sent for every frame after a gap",
    file: "session/incoming.ts",
    find: "    this.#asked = true;",
    put: "",
  },
  {
    name: "after ASK the FIN is not sent again",
    file: "session/outgoing.ts",
    find: "this.finSent = false;\n    this.#finRepeats = true;",
    put: "",
  },
  {
    name: "what is sent again starts one frame late",
    file: "session/outgoing.ts",
    find: "this.#sentFrames.findIndex((kept) => kept.end > received)",
    put: "this.#sentFrames.findIndex((kept) => kept.start > received)",
  },
  {
    name: "an offset never sent may be asked for",
    file: "session/outgoing.ts",
    find: "if (received > most || received < this.consumed) throw",
    put: "if (received < this.consumed) throw",
  },

  {
    name: "a late ASK ends the session",
    file: "session/stream-frames.ts",
    find: "if (frame.offset < stream.out.consumed) return;",
    put: "",
  },

  // Endings
  {
    name: "FIN is sent before the last byte",
    file: "session/sender.ts",
    find: "    if (frame === null && out.pendingBytes > 0) {",
    put: `    if (frame === null && out.finishing && !out.finSent) {
      out.finSent = true;
      this.#emit(stream, TYPE.FIN, out.sent, new Uint8Array(HEADROOM));
    } else if (frame === null && out.pendingBytes > 0) {`,
  },
  {
    name: "FIN is believed before the last byte has come",
    file: "session/incoming.ts",
    find: "if (finalSize > this.received) return this.#gap() ?? false;",
    put: "",
  },
  {
    name: "two final sizes are taken",
    file: "session/incoming.ts",
    find: "if (this.finalSize !== null && this.finalSize !== finalSize) throw",
    put: "if (this.finalSize !== null && this.finalSize > finalSize) throw",
  },
  {
    name: "bytes beyond the final size are taken",
    file: "session/incoming.ts",
    find: "if (this.finalSize !== null && end > this.finalSize) throw",
    put: "if (this.finalSize !== null && end < 0) throw",
  },
  {
    name: "a final size may be below what was sent",
    file: "session/incoming.ts",
    find: "if (finalSize < this.received && this.finalSize === null) throw",
    put: "if (finalSize < 0) throw",
  },
  {
    name: "a final size may be beyond the limit",
    file: "session/incoming.ts",
    find: "if (finalSize > this.limit) throw",
    put: "if (finalSize < 0) throw",
  },
  {
    name: "a stream is forgotten with the first FIN",
    file: "session/stream-table.ts",
    find: "if (stream.out.done && stream.in.done && !stream.in.hasUnreported) this.forget(stream, null);",
    put: "if ((stream.out.done || stream.in.done) && !stream.in.hasUnreported) this.forget(stream, null);",
  },
  {
    name: "a stream that has ended in order is leaked",
    file: "session/stream-table.ts",
    find: "if (stream.out.done && stream.in.done && !stream.in.hasUnreported) this.forget(stream, null);",
    put: "if (stream.out.done && stream.in.done && !stream.in.hasUnreported) stream.end(null);",
  },
  {
    name: "a reset is forgotten: the far end is not told",
    file: "session/stream-table.ts",
    find: "    this.#init.control({ type, stream: stream.id, lane: stream.lane, offset: stream.out.sent }, encodeFailure(failure));",
    put: "    void type;",
  },
  {
    name: "late frames of a stream that was reset here are answered",
    file: "session/stream-table.ts",
    find: "    this.rememberReset(stream.id);\n",
    put: "",
  },
  {
    name: "a RESET is answered with RESET",
    file: "session/stream-frames.ts",
    find: "        table.rememberReset(stream.id);\n        table.forget(stream, decodeFailure(frame.payload));",
    put: '        stream.reset("target-reset", "gone");',
  },
  {
    name: "a stream ends twice",
    file: "session/stream.ts",
    find: '    this.state = "ended";\n    const { events } = this;\n    this.events = NO_EVENTS;',
    put: "    const { events } = this;",
  },
  {
    name: "streams outlive their session",
    file: "session/stream-table.ts",
    find: "for (const stream of this.live.values()) stream.end(failure);",
    put: "void failure;",
  },
  {
    name: "END is answered with END",
    file: "session/session.ts",
    find: 'this.close("done", { code: "lost", reason: reason === "" ? "the far end closed the session" : reason });',
    put: 'this.end("done", reason);',
  },
  {
    name: "a session that is over still listens",
    file: "session/session.ts",
    find: "if (!this.#over) this.#guarded(() => this.#receive(frame));",
    put: "this.#guarded(() => this.#receive(frame));",
  },

  // Who may say what
  {
    name: "an agent takes ACCEPT",
    file: "session/stream-frames.ts",
    find: 'if (this.#init.role !== "caller") throw new SessionError("protocol", "ACCEPT to an agent");',
    put: "",
  },
  {
    name: "REJECT is taken at any time",
    file: "session/stream-frames.ts",
    find: 'if (stream.state !== "opening" || this.#init.role !== "caller") throw',
    put: 'if (stream.state === "ended") throw',
  },
  {
    name: "a stream is opened again",
    file: "session/opened-ids.ts",
    find: "if (id <= this.#highest) return this.#skipped.delete(id);",
    put: "",
  },
  {
    name: "unknown streams are not answered",
    file: "session/stream-frames.ts",
    find: "if ((type !== TYPE.DATA && type !== TYPE.FIN) || this.#init.table.wasReset(stream)) return;",
    put: "if (type >= 0) return;",
  },
  {
    name: "unknown streams are answered every time",
    file: "session/stream-frames.ts",
    find: "    this.#init.table.rememberReset(stream);\n",
    put: "",
  },
  {
    name: "resets are remembered for ever",
    file: "session/recent-set.ts",
    find: "if (this.#values.size <= this.#capacity) return;",
    put: "if (this.#values.size > 0) return;",
  },
  {
    name: "any number of streams may be open",
    file: "session/stream-frames.ts",
    find: "if (table.live.size > MAX_STREAMS) {",
    put: "if (table.live.size > Infinity) {",
  },
  {
    name: "streams may be opened and reset at any rate",
    file: "session/stream-frames.ts",
    find: "} else if (!this.#opens.take(this.#init.now())) {",
    put: "} else if (false) {",
  },
  {
    name: "DATA may be of any size",
    file: "session/incoming.ts",
    find: "if (bytes.byteLength > MAX_DATA) throw",
    put: "if (bytes.byteLength < 0) throw",
  },
  {
    name: "CREDIT may be of any size",
    file: "session/stream-frames.ts",
    find: "if (frame.payload.byteLength !== 8) throw",
    put: "if (frame.payload.byteLength < 8) throw",
  },
  {
    name: "a BATCH may be cut short",
    file: "wire/batch.ts",
    find: 'if (end > payload.byteLength) throw new SessionError("protocol", "a BATCH entry runs past the end");',
    put: "if (end > payload.byteLength) break;",
  },
];

const verdicts = await judge([SOUND, ...MUTANTS], CONFORMANCE);

test("with nothing wrong, every conformance test passes", () => {
  expect(verdicts.get(SOUND.name)).toEqual([]);
});

test.each(MUTANTS.map(({ name }) => name))("noticed: %s", (name) => {
  expect(verdicts.get(name)?.length).toBeGreaterThan(0);
});
