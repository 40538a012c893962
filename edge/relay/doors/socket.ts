import type { Mapping } from "../../../shared/rule/mapping.ts";
import { HEADROOM, viewOf } from "../../../shared/wire/frame.ts";
import type { Failure } from "../../../shared/wire/errors.ts";
import { MAX_DATA } from "../../../shared/wire/limits.ts";
import type { Stream } from "../../../shared/session/stream.ts";
import type { ByteCounts } from "../site/traffic-report.ts";

const SMALL_READ = 4 * 1024;

/**
 * Carries a visitor's TCP connection over a stream until both are over. Resolves to the failure, or to null when it ended in order.
 * workerd can end a public socket with FIN only (measured 2026-10-23), so after a loss `hang` leaves it open until the visitor gives up.
 * `framed`: the socket leads to the edge's own raw bridge, which can report missing bytes to the visitor. As that socket too ends with
 * FIN only, each chunk has its length before it, and a length of 0 means that all bytes have come (edge/ingress/raw-bridge.ts).
 */
export async function carry(
  socket: Socket,
  stream: Stream,
  tally: ByteCounts,
  onLoss: Mapping["onLoss"] | "framed",
): Promise<Failure | null> {
  const writer = socket.writable.getWriter();
  const reader = socket.readable.getReader({ mode: "byob" });
  let wakeUpload: (() => void) | undefined;
  stream.endsHalfClosed = true;

  const ended = new Promise<Failure | null>((resolve) => {
    stream.events = {
      data: (bytes) => {
        tally.bytesOut += bytes.byteLength;
        if (onLoss === "framed") void writer.write(lengthOf(bytes)).catch(() => {});
        writer.write(bytes).then(
          () => stream.consumed(bytes.byteLength),
          () => stream.reset("visitor-gone", "the visitor broke the connection off"),
        );
      },
      fin: () => {
        if (onLoss === "framed") void writer.write(lengthOf(NOTHING)).catch(() => {});
        void writer.close().catch(() => stream.reset("visitor-gone", "the visitor broke the connection off"));
      },
      writable: () => wakeUpload?.(),
      ended: resolve,
    };
  });
  const waitForCredit = (): Promise<void> => {
    if (stream.isWritable) return Promise.resolve();
    return new Promise((resolve) => {
      wakeUpload = resolve;
    });
  };

  void upload(reader, stream, waitForCredit, tally).catch(() =>
    stream.reset("visitor-gone", "the visitor broke the connection off"),
  );
  const failure = await ended;
  wakeUpload?.();
  if (failure?.code === "lost" && onLoss === "hang") {
    await reader.closed.catch(() => {});
  }
  // After an end in order, both directions are closed already.
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

/** Reads from the visitor, never more than the stream has credit for. */
async function upload(
  reader: ReadableStreamBYOBReader,
  stream: Stream,
  waitForCredit: () => Promise<void>,
  tally: ByteCounts,
): Promise<void> {
  // Default readers give 4 KiB chunks whatever is there; a BYOB read fills what it is given (measured, workerd 2026-10-23).
  let wanted = SMALL_READ;
  let reusable: ArrayBuffer | undefined;
  for (;;) {
    await waitForCredit();
    if (stream.over) return;
    const size = Math.max(1, Math.min(wanted, stream.unusedCredit));
    // No larger than the read: the whole buffer is kept until what was read is consumed.
    const buffer: ArrayBuffer = reusable?.byteLength === HEADROOM + size ? reusable : new ArrayBuffer(HEADROOM + size);
    reusable = undefined;
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
      reusable = read;
    } else {
      stream.write(new Uint8Array(read, 0, HEADROOM + count));
    }
    wanted =
      count === size && count === wanted ? Math.min(MAX_DATA, wanted * 4) : count < wanted / 4 ? SMALL_READ : wanted;
  }
}
