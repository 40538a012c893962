import fc from "fast-check";
import { expect, test } from "vitest";
import { SendQueue, type Priority } from "../../shared/session/send-queue.ts";

type Some = { id: number; lane: number; over: boolean };

test("whoever waits is taken in the order of coming, of those whose lane is open; as a plain list would have it", () => {
  const kind = fc.constantFrom<Priority>("urgent", "free", "bulk");
  const step = fc.record({ act: fc.nat(9), who: fc.nat(7), kind, lane: fc.nat(2), open: fc.nat(7) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const all = Array.from({ length: 8 }, (_, id): Some => ({ id, lane: id % 3, over: false }));
      const waiting = new SendQueue<Some>();
      let list: { stream: Some; kind: Priority }[] = [];
      const waits = (stream: Some, free: boolean): boolean =>
        list.some((each) => each.stream === stream && (each.kind === "free") === free);
      for (const { act, who, kind: wanted, open } of steps) {
        const stream = all[who]!;
        if (act <= 4 && !stream.over) {
          if (!waits(stream, wanted === "free")) list.push({ stream, kind: wanted });
          waiting.add(stream, wanted);
        } else if (act === 5) {
          stream.over = true;
          list = list.filter((each) => each.stream !== stream);
          waiting.sweep();
        } else {
          const isOpen = (index: number): boolean => (open & (1 << index)) !== 0;
          const index = list.findIndex((each) => each.kind === wanted && isOpen(each.stream.lane));
          const place = waiting.take(wanted, isOpen);
          expect(place?.stream).toBe(list[index]?.stream);
          // Every other time it is given back, and is as far ahead as it was.
          if (act >= 8 && place !== undefined) waiting.restore(place, wanted);
          else if (index !== -1) list.splice(index, 1);
        }
        expect(waiting.size).toBe(list.filter((each) => each.kind !== "free").length);
      }
    }),
  );
});

test("a stream that moves to another lane while it waits is taken there", () => {
  const waiting = new SendQueue<Some>();
  const stream: Some = { id: 1, lane: 1, over: false };
  waiting.add(stream, "bulk");
  stream.lane = 2;
  waiting.add(stream, "urgent");
  expect(waiting.take("urgent", (lane) => lane === 2)?.stream).toBe(stream);
  waiting.add(stream, "bulk");
  stream.lane = 1;
  expect(waiting.take("bulk", () => true)?.stream).toBe(stream);
  expect(waiting.take("bulk", () => true)).toBeUndefined();
});
