import fc from "fast-check";
import { expect, test } from "vitest";
import { truncatedAnswer } from "../../agent/egress/dns-truncated.ts";

const HEAD = "1234 8580 0001 0002 0001 0001";
const QUESTION = "04 6c6f6e67 07 6578616d706c65 00 0010 0001";
const ANSWER = "c00c 0010 0001 0000003c 0003 02 6869";

const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(" ", ""), "hex"));

test("a long answer becomes the question alone, marked as cut short", () => {
  const cut = truncatedAnswer(bytesOf(HEAD + QUESTION + ANSWER.repeat(4)));
  expect(Buffer.from(cut as Uint8Array).toString("hex")).toBe(
    ("1234 8780 0001 0000 0000 0000" + QUESTION).replaceAll(" ", ""),
  );
});

test.each([
  ["a question", "1234 0100 0001 0000 0000 0000" + QUESTION],
  ["an answer to nothing", "1234 8180 0000 0001 0000 0000" + ANSWER],
  ["an answer to two questions", "1234 8180 0002 0000 0000 0000" + QUESTION + QUESTION],
  ["a question that is cut short", HEAD + "04 6c6f6e67 07 6578"],
  ["a question without its type", HEAD + "04 6c6f6e67 00 00"],
  ["a name that points elsewhere", HEAD + "c00c 0010 0001" + "00".repeat(300)],
  ["less than a header", "1234 8180 0001"],
  ["nothing", ""],
])("%s is left alone", (_, hex) => expect(truncatedAnswer(bytesOf(hex))).toBeNull());

test("whatever comes, what is sent in its place is no longer, and says that there is more", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (tail) => {
      const answer = Uint8Array.from([...bytesOf(HEAD), ...tail]);
      const cut = truncatedAnswer(answer);
      if (cut === null) return;
      expect(cut.byteLength).toBeLessThanOrEqual(answer.byteLength);
      expect([(cut[2] ?? 0) & 0x82, [...cut.subarray(6, 12)]]).toEqual([0x82, [0, 0, 0, 0, 0, 0]]);
    }),
  );
});
