import { expect, test } from "vitest";
import { encodeFrame, TYPE } from "../../shared/wire/frame.ts";
import { Batcher } from "../../shared/session/batcher.ts";

/** A gatherer whose turns and timers run when told to. */
function gatherer() {
  const sent: Uint8Array[] = [];
  const soon: (() => void)[] = [];
  const later: (() => void)[] = [];
  const run = (queue: (() => void)[]): void => queue.splice(0).forEach((flush) => flush());
  return {
    sent,
    turn: () => run(soon),
    wait: () => run(later),
    gatherer: new Batcher({
      send: (frame) => void sent.push(frame),
      soon: (flush) => void soon.push(flush),
      later: (flush) => void later.push(flush),
    }),
  };
}

const credit = encodeFrame({ type: TYPE.CREDIT, stream: 1 }, new Uint8Array(8));

test("a patient frame leaves after a while, though another one left in company before it", () => {
  const { gatherer: gathering, sent, turn, wait } = gatherer();
  gathering.send(credit, 1);
  gathering.send(credit, 1, true);
  turn();
  expect(sent).toHaveLength(1);
  // The turn took that one along, so no timer runs for it: this one needs its own.
  gathering.send(credit, 1, true);
  wait();
  expect(sent).toHaveLength(2);
});

test("patient frames wait for each other, and go with whatever leaves first", () => {
  const { gatherer: gathering, sent, turn, wait } = gatherer();
  gathering.send(credit, 1, true);
  gathering.send(credit, 1, true);
  expect(sent).toHaveLength(0);
  wait();
  expect(sent).toHaveLength(1);
  gathering.send(credit, 1, true);
  gathering.send(credit, 1);
  turn();
  expect(sent).toHaveLength(2);
  wait();
  expect(sent).toHaveLength(2);
});
