import { MAX_DATA } from "../../shared/wire/limits.ts";
import { chunkOf, type Stream } from "../../shared/session/stream.ts";
import { dice } from "./dice.ts";

// Streams whose every byte is known by its stream, its direction and its offset; and what each end of them has met.

/** A prime, so that frames of any size fall elsewhere each time. */
const PERIOD = 65_537;
const NOISE = (() => {
  const random = dice(0);
  const once = Uint8Array.from({ length: PERIOD }, () => Math.floor(random() * 256));
  // A slice may begin anywhere, and be as long as a frame.
  const whole = new Uint8Array(PERIOD * (2 + Math.floor(MAX_DATA / PERIOD)));
  for (let at = 0; at < whole.byteLength; at += PERIOD) whole.set(once, at);
  return whole;
})();

export type Way = "up" | "down";

/** What one end of a stream has written, received, and met. */
export type Side = {
  written: number;
  heard: number;
  untaken: number;
  finished: boolean;
  fin: boolean;
  endings: number;
  /** Code of the failure it ended with. */
  failure: string | null;
};

export function side(): Side {
  return { written: 0, heard: 0, untaken: 0, finished: false, fin: false, endings: 0, failure: null };
}

/** A stream, and both its ends. */
export type Both = {
  serial: number;
  stream: Stream;
  far: Stream | undefined;
  near: Side;
  agent: Side;
  isReset: boolean;
};

/** Checks all that one end hears. `expected`: whether it may end with a failure now. */
export function listen(
  both: Both,
  stream: Stream,
  way: Way,
  told: (problem: string) => void,
  expected: () => boolean,
): void {
  const [end, origin] = way === "down" ? [both.near, both.agent] : [both.agent, both.near];
  stream.events = {
    data: (bytes) => {
      if (end.endings > 0 || end.fin) told(`bytes after the end of stream ${stream.id}`);
      if (Buffer.compare(bytes, content(both.serial, way, end.heard, bytes.byteLength)) !== 0)
        told(`stream ${stream.id} ${way}: bytes from ${end.heard} on are others`);
      end.heard += bytes.byteLength;
      end.untaken += bytes.byteLength;
    },
    fin: () => {
      end.fin = true;
      if (end.heard !== origin.written) told(`stream ${stream.id} ${way}: ended at ${end.heard} of ${origin.written}`);
    },
    ended: (failure) => {
      end.endings += 1;
      end.failure = failure?.code ?? null;
      if (failure !== null && !expected()) told(`stream ${stream.id} ended: ${failure.code}: ${failure.reason}`);
    },
  };
}

/** Writes some bytes more, if they are welcome. */
export function write(both: Both, stream: Stream, way: Way, sizeOf: () => number): void {
  const end = way === "up" ? both.near : both.agent;
  if (end.finished || !stream.isWritable) return;
  const size = sizeOf();
  const bytes = content(both.serial, way, end.written, size);
  end.written += size;
  stream.write(chunkOf(bytes));
}

export function take(stream: Stream, end: Side, most: number): void {
  const bytes = Math.min(most, end.untaken);
  if (bytes === 0 || stream.over) return;
  end.untaken -= bytes;
  stream.consumed(bytes);
}

export function finish(stream: Stream, end: Side): void {
  end.finished = true;
  stream.finish();
}

/** Bytes of a stream from an offset on: others for each stream and direction, and nowhere the same soon. */
function content(serial: number, way: Way, offset: number, size: number): Uint8Array {
  const start = (serial * 7_919 + (way === "up" ? 0 : 30_011) + offset) % PERIOD;
  return NOISE.subarray(start, start + size);
}
