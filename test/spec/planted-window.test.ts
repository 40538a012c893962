import { expect, test } from "vitest";
import { DISTANCE, judge, type Mutant } from "./mutants.ts";

// Faults of windows and budgets, planted one at a time in a copy of shared/: the tests over a long line notice every one.

const MUTANTS: Mutant[] = [
  {
    name: "nothing is asked for",
    file: "session/stream-table.ts",
    find: "this.demand = this.allowance.demand;",
    put: "",
  },
  {
    name: "what was asked for is never given back",
    file: "session/stream-table.ts",
    find: "if (bytes !== this.demand.bytes || unread !== this.demand.unread) this.#updateDemand();",
    put: "void bytes; void unread;",
  },
  {
    name: "a reader that does not keep up is given as much as one that does",
    file: "session/stream-window.ts",
    find: "? LONG_GAIN : GAIN",
    put: "? LONG_GAIN : 2 * LONG_GAIN",
  },
  {
    name: "the best that was ever read counts for ever",
    file: "session/stream-window.ts",
    find: "if (product < this.#product && now - this.#productAt <= KEEP_MS) return;",
    put: "if (product < this.#product) return;",
  },
  {
    name: "what stopped readers hold is given to others again",
    file: "session/division.ts",
    find: "(kept[index] ?? 0)",
    put: "0",
  },
  {
    name: "of stopped readers only what is beyond their windows counts",
    file: "session/allowance.ts",
    find: "stalledAt !== null ? outstanding :",
    put: "",
  },
  {
    name: "a stalled stream is promised as much as any other",
    file: "session/allowance.ts",
    find: "if (stream.stalledAt !== null) return MIN_STREAM_WINDOW;",
    put: "",
  },
  {
    name: "what stalled streams hold is promised a second time",
    file: "session/allowance.ts",
    find: "this.#window - (this.#sum.unread - own.unread)",
    put: "this.#window",
  },
  {
    name: "a reader that takes a byte now and then is never stalled",
    file: "session/incoming.ts",
    find: "if (this.consumed >= this.#receivedAtCheck) this.stalledAt = null;",
    put: "this.stalledAt = null;",
  },
  {
    name: "stalled streams keep their room whoever needs it",
    file: "session/stream-table.ts",
    find: "if (this.allowance.isNearlyFull) this.#endStalled(now);",
    put: "",
  },
  {
    name: "stalled streams end though nothing else needs the room",
    file: "session/stream-table.ts",
    find: "if (live.every((stream) => stream.in.stalledAt !== null)) return;",
    put: "",
  },
  {
    name: "nothing is kept for newcomers",
    file: "session/allowance.ts",
    find: "window * RESERVED_TOTAL - unproven",
    put: "0",
  },
  {
    name: "who was granted much and has stopped takes the newcomers' part",
    file: "session/allowance.ts",
    find: "isProven || stream.promised > STREAM_WINDOW ? 0 : promised",
    put: "isProven ? 0 : promised",
  },
  {
    name: "a stream that rests keeps what it was promised",
    file: "session/incoming.ts",
    find: "this.isIdle = this.outstanding === 0;",
    put: "",
  },
  {
    name: "streams that have rested may fill the session",
    file: "session/sender.ts",
    find: "if (needsNoWindow(stream) || out.limit - out.consumed <= STREAM_WINDOW) return false;",
    put: "if (out !== undefined) return false;",
  },
];

const verdicts = await judge(MUTANTS, DISTANCE);

test.each(MUTANTS.map(({ name }) => name))("noticed: %s", (name) => {
  expect(verdicts.get(name)?.length).toBeGreaterThan(0);
});
