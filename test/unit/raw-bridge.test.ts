import { expect, test } from "vitest";

// The platform's parts made by hand: a visitor's WebSocket, and a target that takes nothing.

const { bridge } = (await import(
  /* @vite-ignore */ new URL("../../edge/ingress/raw-bridge.ts", import.meta.url).href
)) as { bridge: (webSocket: unknown, socket: unknown, until: number, source: string) => void };

const MIB = 1024 * 1024;
const LATER = Date.now() + 3_600_000;

class FakeWebSocket extends EventTarget {
  binaryType = "";
  bufferedAmount = 0;
  closed: number | undefined;
  sent = 0;

  accept(): void {}

  send(bytes: Uint8Array): void {
    this.sent += bytes.byteLength;
    this.bufferedAmount += bytes.byteLength;
  }

  close(code: number): void {
    this.closed ??= code;
  }

  /** The visitor says so many bytes. */
  say(bytes: number): void {
    this.dispatchEvent(Object.assign(new Event("message"), { data: new ArrayBuffer(bytes) }));
  }
}

/** A target that takes nothing, and says so many chunks of 64 KiB. */
function deafTarget(chunks = 0): unknown {
  let left = chunks;
  const chunk = new Uint8Array(4 + 65_536);
  new DataView(chunk.buffer).setUint32(0, 65_536);
  return {
    writable: new WritableStream({ write: () => new Promise(() => {}) }),
    readable: new ReadableStream({
      type: "bytes",
      pull: async (controller) => {
        if (left-- > 0) controller.enqueue(chunk.slice());
        else await new Promise(() => {});
      },
    }),
    close: () => Promise.resolve(),
  };
}

function open(source: string, chunks = 0): FakeWebSocket {
  const socket = new FakeWebSocket();
  bridge(socket, deafTarget(chunks), LATER, source);
  return socket;
}

test("what waits for targets is bounded for each visitor, and for all together", async () => {
  const visitors = Array.from({ length: 6 }, (_, nth) => open(`source ${nth}`));
  for (const visitor of visitors) for (let nth = 0; nth < 7; nth += 1) visitor.say(MIB - 1024);
  // 33 MiB for all: of six times seven, two have to go.
  expect(visitors.filter(({ closed }) => closed === 1009)).toHaveLength(2);
  const alone = open("alone");
  for (let nth = 0; nth < 9; nth += 1) alone.say(MIB);
  expect(alone.closed).toBe(1009);
  for (const visitor of [...visitors, alone]) visitor.dispatchEvent(new Event("close"));
  const late = open("late");
  for (let nth = 0; nth < 7; nth += 1) late.say(MIB);
  expect(late.closed).toBeUndefined();
  late.dispatchEvent(new Event("close"));
});

test("a thousand visitors who read nothing stop their targets, together within the bound", async () => {
  const visitors = Array.from({ length: 1_000 }, (_, nth) => open(`reader ${nth}`, 1_000));
  const total = (): number => visitors.reduce((sum, { sent }) => sum + sent, 0);
  for (let before = -1; before !== total();) {
    before = total();
    for (let turn = 0; turn < 100; turn += 1) await Promise.resolve();
  }
  // What each had read before it looked comes on top of a quarter of 33 MiB.
  expect(total()).toBeLessThan(9 * MIB + 1_000 * 65_536);
  expect(visitors.filter(({ sent }) => sent > MIB + 65_536)).toEqual([]);
  for (const visitor of visitors) visitor.dispatchEvent(new Event("close"));
});
