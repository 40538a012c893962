import { expect, test } from "vitest";
import { batch, unbatch } from "../../shared/wire/batch.ts";
import { decodeFrame, encodeFrame, TYPE, type Frame } from "../../shared/wire/frame.ts";

type Forward = (lanes: object, tokenUsage: object, lane: object, bytes: Uint8Array, frame: Frame) => void;

/** The relay's part, whose types are of another world than these. */
const { forward } = (await import(
  /* @vite-ignore */ new URL("../../edge/relay/doors/forward.ts", import.meta.url).href
)) as {
  forward: Forward;
};

/** A relay between a caller on channel 5 and an agent in slot 7, whose lane takes what is told here. */
function relay(tryAccept: (flow: string) => boolean, isCongested = true) {
  const sent: { frame: Frame; filterDatagrams: boolean }[] = [];
  const send = (filterDatagrams: boolean) => (bytes: Uint8Array) =>
    void sent.push({ frame: decodeFrame(bytes), filterDatagrams });
  const to = {
    attachment: { kind: "agent" },
    backlog: 0,
    droppedDatagrams: 0,
    datagramFilter: { isCongested: () => isCongested, tryAccept },
    send: send(false),
    sendDatagrams: send(true),
  };
  const lanes = { droppedDatagrams: 0, agent: () => ({ lanes: new Map([[0, to]]) }) };
  const counted: number[] = [];
  const tokenUsage = { count: (_token: string, _most: number, bytes: number) => void counted.push(bytes) };
  const from = {
    attachment: { kind: "gateway", jti: "t", caps: { bytes: 1_000 }, ready: { number: 5 } },
    excessBytes: 0,
  };
  return {
    pass: (bytes: Uint8Array) => forward(lanes, tokenUsage, from, bytes, decodeFrame(bytes)),
    sent,
    counted,
    dropped: () => [to.droppedDatagrams, lanes.droppedDatagrams],
  };
}

const datagram = (stream: number, bytes: number): Uint8Array =>
  encodeFrame({ type: TYPE.DGRAM, stream, slot: 7 }, new Uint8Array(bytes).fill(stream));

test("of a batch of datagrams for a lane that is crowded, single ones are dropped and counted, and the rest goes on", () => {
  const { pass, sent, counted, dropped } = relay((flow) => flow === "5/2");
  pass(batch([datagram(1, 1_400), datagram(2, 172), datagram(1, 1_400), datagram(2, 173)]));
  const entries = sent.flatMap(({ frame }) => unbatch(frame));
  expect(entries.map(({ stream, channel, payload }) => [stream, channel, payload.byteLength])).toEqual([
    [2, 5, 172],
    [2, 5, 173],
  ]);
  expect(entries.every(({ payload }) => payload.every((byte) => byte === 2))).toBe(true);
  expect([dropped(), counted, sent.map(({ filterDatagrams }) => filterDatagrams)]).toEqual([[2, 2], [345], [true]]);
});

test("one that is alone is dropped alone; a lane that is not crowded takes all as they are", () => {
  const crowded = relay(() => false);
  crowded.pass(datagram(1, 100));
  crowded.pass(batch([datagram(1, 100), datagram(2, 100)]));
  expect([crowded.sent, crowded.counted, crowded.dropped()]).toEqual([[], [], [3, 3]]);
  const free = relay(() => false, false);
  free.pass(datagram(1, 100));
  free.pass(batch([datagram(1, 100), datagram(2, 100)]));
  expect([free.sent.length, free.counted, free.dropped()]).toEqual([2, [100, 200], [0, 0]]);
});

test("a caller has its share by its own channel, whatever it writes into its frames", () => {
  const flows: string[] = [];
  const { pass } = relay((flow) => flows.push(flow) > 0);
  pass(encodeFrame({ type: TYPE.DGRAM, stream: 1, slot: 7, channel: 99 }, new Uint8Array(10)));
  expect(flows).toEqual(["5/1"]);
});

test("what a stream has to say beside datagrams in one batch is never dropped", () => {
  const { pass, sent, dropped } = relay(() => false);
  pass(batch([datagram(1, 100), encodeFrame({ type: TYPE.FIN, stream: 3, slot: 7 })]));
  expect(sent.flatMap(({ frame }) => unbatch(frame)).map(({ type }) => type)).toEqual([TYPE.FIN]);
  expect(dropped()).toEqual([1, 1]);
});
