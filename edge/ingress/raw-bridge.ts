/** Bytes of a visitor that may wait for the target: WebSockets of workerd can't be paused, so more of them end the stream. */
const MAX_WAITING = 8 * 1024 * 1024;
const READ_BYTES = 64 * 1024;
/** Bytes that may wait for the visitor, where the platform says how many there are. */
const MAX_QUEUED = 1024 * 1024;
const LOOK_MS = 20;

const CLOSE = { done: 1000, wrong: 1003, tooFast: 1009, failed: 1011, expired: 4401 } as const;

/** Ties a WebSocket to a byte stream, both ways, until either is over or `until` (milliseconds since 1970). */
export function bridge(webSocket: WebSocket, socket: Socket, until: number): void {
  const writer = socket.writable.getWriter();
  let waiting = 0;
  let over = false;
  const end = (code: number, reason: string): void => {
    if (over) return;
    over = true;
    clearTimeout(timer);
    try {
      webSocket.close(code, reason);
    } catch {
      // Closed by the other end.
    }
    void writer.abort(new Error(reason)).catch(() => {});
    void socket.close().catch(() => {});
  };
  // Within what a timer can hold; a page that lives longer connects anew.
  const timer = setTimeout(
    () => end(CLOSE.expired, "the token has expired"),
    Math.min(until - Date.now(), 0x7fff_ffff),
  );

  webSocket.binaryType = "arraybuffer";
  webSocket.accept();
  webSocket.addEventListener("message", ({ data }) => {
    if (over) return;
    if (typeof data === "string") return end(CLOSE.wrong, "binary messages only");
    const bytes = new Uint8Array(data as ArrayBuffer);
    waiting += bytes.byteLength;
    if (waiting > MAX_WAITING) return end(CLOSE.tooFast, "more than the target takes");
    writer.write(bytes).then(
      () => (waiting -= bytes.byteLength),
      () => end(CLOSE.failed, "the stream broke"),
    );
  });
  webSocket.addEventListener("close", () => {
    if (over) return;
    // A WebSocket has no half-close: the target has heard all, and nobody listens to the rest.
    void writer.close().catch(() => {});
    end(CLOSE.done, "");
  });
  webSocket.addEventListener("error", () => end(CLOSE.failed, ""));
  void download(webSocket, socket, () => over).then(
    (complete) => (complete ? end(CLOSE.done, "") : end(CLOSE.failed, "the stream broke, or never was")),
    () => end(CLOSE.failed, "the stream broke"),
  );
}

/** Passes the target's bytes on; answers whether that was all of them. Lengths come before chunks (edge/relay/socket.ts). */
async function download(webSocket: WebSocket, socket: Socket, isOver: () => boolean): Promise<boolean> {
  const reader = socket.readable.getReader({ mode: "byob" });
  const length = new Uint8Array(4);
  let lengthBytes = 0;
  let left = 0;
  for (;;) {
    const { value, done } = await reader.read(new Uint8Array(READ_BYTES));
    if (done || isOver()) return false;
    for (let at = 0; at < value.byteLength;) {
      if (left > 0) {
        const part = value.subarray(at, at + left);
        webSocket.send(part);
        left -= part.byteLength;
        at += part.byteLength;
        continue;
      }
      length[lengthBytes] = value[at] ?? 0;
      lengthBytes += 1;
      at += 1;
      if (lengthBytes < 4) continue;
      lengthBytes = 0;
      left = new DataView(length.buffer).getUint32(0);
      if (left === 0) return true;
    }
    while (queuedIn(webSocket) > MAX_QUEUED && !isOver()) await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** Not every workerd knows: those that don't say nothing waits. */
function queuedIn(webSocket: WebSocket): number {
  return (webSocket as { bufferedAmount?: number }).bufferedAmount ?? 0;
}
