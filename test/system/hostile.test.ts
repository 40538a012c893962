import { expect, test } from "vitest";
import { needs } from "../support/debian.ts";
import { mixedLoad } from "../support/mixed-load.ts";

const MINUTES = 1 / 3;

// Half an hour of it: test/soak/hostile.test.ts.
test("under good and hostile load together, the good is byte-exact and nothing is left", async (context) => {
  await needs(context, "nginx-light");
  await mixedLoad(MINUTES, async ({ wrong, good, hostile }) => {
    expect(wrong.join("\n")).toBe("");
    for (const count of [...Object.values(good), ...Object.values(hostile)]) expect(count).toBeGreaterThan(0);
  });
});
