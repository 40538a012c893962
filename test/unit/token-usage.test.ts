import { expect, test, vi } from "vitest";
import { payloadBytes, TokenUsage } from "../../edge/relay/site/token-usage.ts";
import { batch } from "../../shared/wire/batch.ts";
import { decodeFrame, encodeFrame, TYPE } from "../../shared/wire/frame.ts";

test("a token's bytes are told a second after they came, of an unknown token at once, and it is over when the sum says so", async () => {
  const { usage, told, over } = counted([10, 40, 95]);
  usage.count("a", 100, 10);
  await vi.advanceTimersByTimeAsync(1);
  expect(told).toEqual([[{ jti: "a", bytes: 10 }]]);
  usage.count("a", 100, 20);
  usage.count("a", 100, 10);
  await vi.advanceTimersByTimeAsync(500);
  expect(told).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(501);
  expect(told[1]).toEqual([{ jti: "a", bytes: 30 }]);
  usage.count("a", 100, 1);
  // Others have carried the rest meanwhile.
  await vi.advanceTimersByTimeAsync(1_001);
  expect(over).toEqual([]);
  usage.count("a", 100, 5);
  expect(over).toEqual(["a"]);
  expect(usage.isOver("a")).toBe(true);
  await vi.advanceTimersByTimeAsync(1);
  expect(told.at(-1)).toEqual([{ jti: "a", bytes: 5 }]);
});

test("what a registry out of reach was not told is told later, and counts meanwhile", async () => {
  const { usage, told, over } = counted([new Error("away"), new Error("away"), 60]);
  usage.count("a", 100, 50);
  await vi.advanceTimersByTimeAsync(1);
  usage.count("a", 100, 10);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(told).toEqual([[{ jti: "a", bytes: 50 }], [{ jti: "a", bytes: 60 }], [{ jti: "a", bytes: 60 }]]);
  expect(over).toEqual([]);
  usage.count("a", 100, 40);
  expect(over).toEqual(["a"]);
});

test("bytes of streams and datagrams count, and nothing else does, in batches too", () => {
  const data = { type: TYPE.DATA, stream: 1, offset: 0 };
  const payload = new Uint8Array(7);
  expect(payloadBytes(decodeFrame(encodeFrame(data, payload)))).toBe(7);
  expect(payloadBytes(decodeFrame(encodeFrame({ ...data, type: TYPE.CREDIT }, payload)))).toBe(0);
  const several = [TYPE.DATA, TYPE.CREDIT, TYPE.DATA].map((type) => encodeFrame({ ...data, type }, payload));
  expect(payloadBytes(decodeFrame(batch(several)))).toBe(14);
});

/** One whose registry answers so. */
function counted(answers: (number | Error)[]) {
  vi.useFakeTimers();
  const told: object[][] = [];
  const over: string[] = [];
  const usage = new TokenUsage({
    report: async (each) => {
      told.push(each);
      const answer = answers.shift() ?? 0;
      if (typeof answer !== "number") throw answer;
      return each.map(() => answer);
    },
    exhausted: (jti) => void over.push(jti),
  });
  return { usage, told, over };
}
