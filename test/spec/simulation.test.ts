import { expect, test } from "vitest";
import { Simulation } from "./simulation.ts";

// SALLYPORT_SEED=1234 replays one history; SALLYPORT_SEEDS=100000 lives through more of them (docs/protocol.md section 6).

const STEPS = 250;
const only = process.env["SALLYPORT_SEED"];
const first = Number(only ?? 1);
const count = only === undefined ? Number(process.env["SALLYPORT_SEEDS"] ?? 3_000) : 1;

test(
  `${count} histories from seed ${first} on: delays, cuts, half-cuts, dark paths, late frames, restarts, a relay that forgets`,
  { timeout: 0 },
  () => {
    for (let seed = first; seed < first + count; seed += 1) {
      try {
        new Simulation(seed).run(STEPS);
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        expect.fail(`${reason}\nreplay with: SALLYPORT_SEED=${seed} npx vitest run --project spec simulation`);
      }
    }
  },
);
