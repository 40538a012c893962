import { expect, test, vi } from "vitest";
import { decodeFrame, TYPE, type Frame } from "../../shared/wire/frame.ts";
import { opensOf } from "../../shared/rule/opens.ts";
import { OPEN_BURST, OPENS_PER_SECOND } from "../../shared/wire/limits.ts";
import { decodeFailure, encodeOpen } from "../../shared/wire/open.ts";

type Lane = { attachment: object; opens: object; send: (frame: Uint8Array) => void };
type CallerDoorClass = new (site: object) => { open: (lane: Lane, frame: Frame) => void };

/** The relay's part, whose types are of another world than these. */
const { CallerDoor } = (await import(
  /* @vite-ignore */ new URL("../../edge/relay/doors/caller-door.ts", import.meta.url).href
)) as { CallerDoor: CallerDoorClass };

test("more new streams a second than anybody needs are refused without being judged; others' are judged", () => {
  vi.useFakeTimers({ now: 1_000_000 });
  const { callers, lane, judged } = relay();
  const [hostile, neighbour] = [lane(1), lane(2)];
  const open = (from: typeof hostile, stream: number): void => {
    callers.open(from.lane, decodeFrame(openFrame(stream)));
  };
  for (let stream = 1; stream <= 3 * OPEN_BURST; stream += 1) open(hostile, stream);
  expect(hostile.codes().filter((code) => code === "busy")).toHaveLength(2 * OPEN_BURST);
  expect(judged()).toBe(OPEN_BURST);
  open(neighbour, 1);
  expect(neighbour.codes()).toEqual(["no-mapping"]);
  vi.advanceTimersByTime(1_000);
  for (let stream = 1; stream <= 2 * OPENS_PER_SECOND; stream += 1) open(hostile, 3 * OPEN_BURST + stream);
  expect(judged()).toBe(OPEN_BURST + 1 + OPENS_PER_SECOND);
  vi.useRealTimers();
});

function openFrame(stream: number): Uint8Array {
  const payload = encodeOpen({ endpoint: "lab/none", visitor: "" });
  const bytes = new Uint8Array(28 + payload.byteLength);
  bytes[0] = TYPE.OPEN;
  new DataView(bytes.buffer).setUint32(16, stream);
  bytes.set(payload, 28);
  return bytes;
}

/** A relay with rules, but none that fits: every OPEN that is judged asks for its rule once. */
function relay() {
  let judged = 0;
  const ends = new Map([1, 2].map((number) => [number, { number }]));
  const site = {
    rules: { at: () => void (judged += 1), isRevoked: () => false, revision: 1 },
    lanes: { caller: (number: number) => ends.get(number) },
    records: { add: () => undefined },
    tokenUsage: { isOver: () => false },
  };
  // Only what a refusal touches.
  const callers = new CallerDoor(site);
  const lane = (number: number) => {
    const sent: Uint8Array[] = [];
    const attachment = {
      kind: "client",
      jti: String(number),
      site: "lab",
      endpoints: ["lab/*"],
      expires: 2_000_000,
      address: "192.0.2.1",
      ready: { number },
    };
    return {
      lane: { attachment, opens: opensOf(attachment), send: (frame: Uint8Array) => void sent.push(frame) },
      codes: () => sent.map((frame) => decodeFailure(decodeFrame(frame).payload).code),
    };
  };
  return { callers, lane, judged: () => judged };
}
