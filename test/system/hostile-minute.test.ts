import { expect, test } from "vitest";
import { needs } from "../support/debian.ts";
import { mixedLoad } from "../support/mixed-load.ts";

test("under a minute of good and hostile load together, the good is byte-exact and nothing is left", async (context) => {
  await needs(context, "nginx-light");
  await mixedLoad(1, async ({ wrong, good, hostile }) => {
    expect(wrong).toEqual([]);
    for (const count of [...Object.values(good), ...Object.values(hostile)]) expect(count).toBeGreaterThan(0);
  });
});
