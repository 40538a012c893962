import { expect, test } from "vitest";
import { chunkFor, recycle } from "../../agent/egress/chunks.ts";

test("chunks come back, however many of another size were left from before", () => {
  const former = Array.from({ length: 200 }, () => chunkFor(Buffer.alloc(64 * 1024)));
  former.forEach((chunk) => recycle(chunk));
  const first = chunkFor(Buffer.alloc(200 * 1024));
  recycle(first);
  expect(chunkFor(Buffer.alloc(150 * 1024)).buffer).toBe(first.buffer);
});

test("what comes back is given out once, with the new bytes behind its headroom", () => {
  const first = chunkFor(Buffer.alloc(64 * 1024, 1));
  recycle(first);
  const [second, third] = [chunkFor(Buffer.alloc(40 * 1024, 2)), chunkFor(Buffer.alloc(40 * 1024, 3))];
  expect(second.buffer).toBe(first.buffer);
  expect(third.buffer).not.toBe(second.buffer);
  expect([second.at(-1), third.at(-1)]).toEqual([2, 3]);
});
