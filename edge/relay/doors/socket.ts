import type { Mapping } from "../../../shared/rule/mapping.ts";
import { HEADROOM, viewOf } from "../../../shared/wire/frame.ts";
import type { Failure } from "../../../shared/wire/errors.ts";
import { MAX_DATA } from "../../../shared/wire/limits.ts";
import type { Stream } from "../../../shared/session/stream.ts";
import type { ByteCounts } from "../site/traffic-report.ts";

const SMALL_READ = 4 * 1024;

/**
 * Carries a visitor's TCP connection over a stream until both are over. Answers how it ended: null when in order.
 * workerd can end a public socket with FIN only (measured 2026-10-23), so after a loss `hang` leaves it open for the visitor to give up on.
 * `tell`: whoever holds the other end can show that bytes are missing. A socket within the edge can't show it either, so each
 * chunk has its length before it, and a length of 0 says that this was all (edge/ingress/raw-bridge.ts).
 */
export async function carry(
  socket: Socket,
  stream: Stream,
  tally: ByteCounts,
  onLoss: Mapping["onLoss"] | "tell",
): Promise<Failure | null> {
  const writer = socket.writable.getWriter();
  const reader = socket.readable.getReader({ mode: "byob" });
  let roomAgain: (() => void) | undefined;
  stream.endsHalfClosed = true;

  const ended = new Promise<Failure | null>((resolve) => {
    stream.events = {
      data: (bytes) => {
        tally.bytesOut += bytes.byteLength;
        if (onLoss === "tell") void writer.write(lengthOf(bytes)).catch(() => {});
        writer.write(bytes).then(
          () => stream.consumed(bytes.byteLength),
          () => stream.reset("visitor-gone", "the visitor broke the connection off"),
        );
      },
      fin: () => {
        if (onLoss === "tell") void writer.write(lengthOf(NOTHING)).catch(() => {});
        void writer.close().catch(() => stream.reset("visitor-gone", "the visitor broke the connection off"));
      },
      writable: () => roomAgain?.(),
      ended: resolve,
    };
  });
  const room = (): Promise<void> => {
    if (stream.isWritable) return Promise.resolve();
    return new Promise((resolve) => {
      roomAgain = resolve;
    });
  };

  void upload(reader, stream, room, tally).catch(() =>
    stream.reset("visitor-gone", "the visitor broke the connection off"),
  );
  const failure = await ended;
  roomAgain?.();
  if (failure?.code === "lost" && onLoss === "hang") {
    await reader.closed.catch(() => {});
  }
  // In order, both directions are closed by now.
  if (failure !== null) {
    await reader.cancel().catch(() => {});
    await writer.close().catch(() => {});
  }
  await socket.close().catch(() => {});
  return failure;
}

const NOTHING = new Uint8Array(0);

function lengthOf({ byteLength }: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4);
  viewOf(bytes).setUint32(0, byteLength);
  return bytes;
}

/** Reads the visitor, never more than the stream has credit for. */
async function upload(
  reader: ReadableStreamBYOBReader,
  stream: Stream,
  room: () => Promise<void>,
  tally: ByteCounts,
): Promise<void> {
  // Default readers give 4 KiB chunks whatever is there; a BYOB read fills what it is given (measured, workerd 2026-10-23).
  let wanted = SMALL_READ;
  let spare: ArrayBuffer | undefined;
  for (;;) {
    await room();
    if (stream.over) return;
    const size = Math.max(1, Math.min(wanted, stream.unusedCredit));
    // No larger than what may come: it is kept whole until what was read is consumed.
    const buffer: ArrayBuffer = spare?.byteLength === HEADROOM + size ? spare : new ArrayBuffer(HEADROOM + size);
    spare = undefined;
    const { value, done } = await reader.read(new Uint8Array(buffer, HEADROOM, size));
    if (done) {
      stream.finish();
      return;
    }
    const count = value.byteLength;
    tally.bytesIn += count;
    const read = value.buffer;
    if (count * 2 < read.byteLength) {
      // A small read must not keep a large buffer alive until it is consumed.
      stream.write(new Uint8Array(read.slice(0, HEADROOM + count)));
      spare = read;
    } else {
      stream.write(new Uint8Array(read, 0, HEADROOM + count));
    }
    wanted =
      count === size && count === wanted ? Math.min(MAX_DATA, wanted * 4) : count < wanted / 4 ? SMALL_READ : wanted;
  }
}
