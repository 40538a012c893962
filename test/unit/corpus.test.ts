import { expect, test } from "vitest";
import { readCorpus } from "../fuzz/corpus.ts";
import { mutate, randomOf } from "../fuzz/mutate.ts";
import { TARGETS } from "../fuzz/targets.ts";

// What `npm run fuzz` kept, again; and a little of what it does, the same every time.

const ROUNDS = 500;

for (const [name, { check, words }] of Object.entries(TARGETS)) {
  test(`${name}: nothing that was kept, nor what is made of it, does what must not be`, async () => {
    const kept = readCorpus(name);
    expect(kept.length).toBeGreaterThan(0);
    for (const input of kept) await check(input);
    const random = randomOf(1);
    for (let round = 0; round < ROUNDS; round += 1) await check(mutate(kept, words, random));
  });
}
