import { expect, test } from "vitest";
import { Sessions } from "../../agent/sessions.ts";
import { encodeFields } from "../../shared/fields.ts";
import { decodeFrame, encodeFrame, TYPE } from "../../shared/frame.ts";

test("when a lane is lost, every caller is asked to resume but the relay, which sees it itself", () => {
  const sent: { type: number; channel: number }[] = [];
  const sessions = new Sessions({
    send: (frame) => void sent.push(decodeFrame(frame)),
    room: () => 0,
    dial: () => undefined,
  });
  for (const channel of [0, 5, 9]) {
    const secrets = encodeFields({ 1: new Uint8Array(16).fill(channel), 2: new Uint8Array(32) });
    sessions.receive(decodeFrame(encodeFrame({ type: TYPE.SESSION, channel, offset: 65_536 }, secrets)));
  }
  sent.length = 0;
  sessions.lost();
  expect(sent.map(({ type, channel }) => [type, channel])).toEqual([
    [TYPE.NUDGE, 5],
    [TYPE.NUDGE, 9],
  ]);
});
