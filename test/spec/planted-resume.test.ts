import { expect, test } from "vitest";
import { judge, RESUMING, type Mutant } from "./mutants.ts";

// Faults of resuming that somebody could make, planted one by one: for each, a test or a history must fail.

const SOUND: Mutant = {
  name: "nothing is wrong",
  file: "session/resumption.ts",
  find: "export class Resumption {",
  put: "export class Resumption { ",
};

const MUTANTS: Mutant[] = [
  // Who may resume
  {
    name: "the secret is reusable: it is never rotated",
    file: "wire/resume.ts",
    find: "return hmac(sha256, secret, concat([ROTATE, u32(epoch)]));",
    put: "void epoch;\n  return secret;",
  },
  {
    name: "any proof will do",
    file: "wire/resume.ts",
    find: "if (!equalBytes(proof, hmac(sha256, secret, concat([PROVE, this.id, u32(epoch)])))) return false;",
    put: "",
  },
  {
    name: "a proof is good for every session",
    file: "wire/resume.ts",
    find: "if (!equalBytes(proof, hmac(sha256, secret, concat([PROVE, this.id, u32(epoch)])))) return false;",
    put: "if (!equalBytes(proof, hmac(sha256, secret, concat([PROVE, new Uint8Array(16), u32(epoch)])))) return false;",
  },
  {
    name: "the fence is skipped: a RESUME of an older epoch is answered",
    file: "session/session.ts",
    find: 'if (epoch <= this.#resumption.epoch) return "stale";',
    put: "",
  },
  {
    name: "any number of missed epochs is made up for",
    file: "wire/resume.ts",
    find: "epoch > this.epoch + MAX_MISSED",
    put: "false",
  },
  {
    name: "an answer to an older question is taken",
    file: "session/resumption.ts",
    find: 'if (this.#path !== "asking" || frame.offset !== this.#init.secret?.epoch) return;',
    put: 'if (this.#path !== "asking") return;',
  },
  // What goes on, and where
  {
    name: "what is sent again starts one byte late",
    file: "session/resumption.ts",
    find: "stream.out.rewind(Math.max(record.received, stream.out.consumed));",
    put: "stream.out.rewind(Math.max(record.received, stream.out.consumed) + 1);",
  },
  {
    name: "nothing is sent again",
    file: "session/resumption.ts",
    find: "stream.out.rewind(Math.max(record.received, stream.out.consumed));",
    put: "",
  },
  {
    name: "a late record is taken for a lie",
    file: "session/resumption.ts",
    find: "stream.out.rewind(Math.max(record.received, stream.out.consumed));",
    put: "stream.out.rewind(record.received);",
  },
  {
    name: "credit is added once more by resuming",
    file: "session/resumption.ts",
    find: "stream.out.raiseLimit(record.limit);",
    put: "stream.out.raiseLimit(stream.out.limit + record.limit - record.consumed);",
  },
  {
    name: "what is sent again is charged again",
    file: "session/sender.ts",
    find: "let frame = out.takeResend();",
    put: "let frame = out.takeResend();\n    if (frame !== null) this.outstanding += frame.end - frame.start + FRAME_CHARGE;",
  },
  {
    name: "a FIN that was lost is not said again",
    file: "session/outgoing.ts",
    find: "this.finSent = false;\n    this.#finRepeats = true;",
    put: "",
  },
  {
    name: "bytes leave before both ends know what the other has",
    file: "session/resumption.ts",
    find: 'return this.#path === "up";',
    put: 'return this.#path !== "away";',
  },
  {
    name: "the last word of a stream is lost with its lane",
    file: "session/session.ts",
    find: "if (stream.lane === from) stream.lane = to;\n    this.resume();",
    put: "if (stream.lane === from) {\n      stream.lane = to;\n      this.resume();\n    }",
  },
  // Openings and endings
  {
    name: "an OPEN that was lost is not said again",
    file: "session/resumption.ts",
    find: "if (!stream.isKnown) {",
    put: "if (stream.opening === undefined) {",
  },
  {
    name: "a stream is forgotten that was answered while the question was on its way",
    file: "session/resumption.ts",
    find: "} else if (this.#unknown.has(stream)) {",
    put: "} else if (false) {",
  },
  {
    name: "answers and resets made while the path is away are dropped",
    file: "session/resumption.ts",
    find: "new Set([TYPE.ACCEPT, TYPE.REJECT, TYPE.RESET])",
    put: "new Set()",
  },
  {
    name: "a stream that only one end knows goes on",
    file: "session/resumption.ts",
    find: "table.forget(stream, stream.in.done && stream.out.finSent ? null : LOST);",
    put: "",
  },
  {
    name: "a stream whose rule is gone goes on",
    file: "session/resumption.ts",
    find: "else if (record.refused) stream.reset(",
    put: "else if (record.refused && this === undefined) stream.reset(",
  },
  {
    name: "an OPEN that a RESET has overtaken is taken",
    file: "session/stream-frames.ts",
    find: 'if (type === TYPE.RESET && this.#init.role === "agent") this.#init.table.markOpened(stream);',
    put: "",
  },
  {
    name: "nobody resumes for a NUDGE",
    file: "session/session.ts",
    find: 'if (this.#init.role === "caller") this.resume();',
    put: "",
  },
  {
    name: "an agent takes a NUDGE for its own",
    file: "session/session.ts",
    find: 'if (this.#init.role === "caller") this.resume();',
    put: "this.resume();",
  },
  // Time
  {
    name: "a session waits for ever",
    file: "session/resumption.ts",
    find: "if (now - this.#awaySince > this.#init.graceMs()) return false;",
    put: "",
  },
  {
    name: "a question that was lost is not asked again",
    file: "session/resumption.ts",
    find: 'if (this.#path === "asking" && now - this.#askedAt > RESUME_MS) this.ask();',
    put: "",
  },
];

const verdicts = await judge([SOUND, ...MUTANTS], RESUMING);

test("with nothing wrong, every test of resuming passes", () => {
  expect(verdicts.get(SOUND.name)).toEqual([]);
});

test.each(MUTANTS.map(({ name }) => name))("noticed: %s", (name) => {
  expect(verdicts.get(name)?.length).toBeGreaterThan(0);
});
