import { expect, test } from "vitest";
import { decodeFrame, stamp } from "../../shared/wire/frame.ts";
import { DEFAULT_DATA } from "../../shared/wire/limits.ts";
import { chunkOf, type Stream } from "../../shared/session/stream.ts";
import { connect, pair, write, type Pair } from "./pair.ts";

// What a reader has consumed is told together with how far its sender may go on. If it is told without that, there is nothing left
// to tell, and a sender that is at its limit waits for ever.

/** Writes as many bytes as may leave, and as many again. */
function fill(stream: Stream): number {
  const bytes = 2 * stream.unusedCredit;
  for (let left = bytes; left > 0; left -= DEFAULT_DATA)
    stream.write(chunkOf(new Uint8Array(Math.min(left, DEFAULT_DATA))));
  return bytes;
}

/** Delivers what is on its way to the caller, and nothing else. */
function deliverDown({ toCaller, caller }: Pair): void {
  for (const frame of toCaller.splice(0)) {
    stamp(frame, { slot: 7 });
    caller.receive(decodeFrame(frame));
  }
}

test("what was read while the caller asked to go on is told with new credit, though a stream that ends then lets others send first", () => {
  const ends = pair();
  const [ending, bulk] = [connect(ends), connect(ends)];
  ending.caller.stream.finish();
  ends.deliver();
  ending.agent.stream.finish();
  const bytes = fill(bulk.agent.stream);
  ends.caller.resume();
  deliverDown(ends);
  write(bulk.caller.stream, "meanwhile");
  ends.deliver();
  ends.clock.now += 2_000;
  ends.caller.tick();
  ends.agent.tick();
  ends.deliver();
  expect([ending.caller.ended, ending.agent.ended]).toEqual([null, null]);
  expect(bulk.agent.bytes.length).toBe("meanwhile".length);
  expect(bulk.caller.bytes.length).toBe(bytes);
});
