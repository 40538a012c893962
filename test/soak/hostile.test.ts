import { expect, test } from "vitest";
import { needs } from "../support/debian.ts";
import { mixedLoad } from "../support/mixed-load.ts";
import { record } from "../support/record.ts";

const MINUTES = 30;

test(
  "half an hour of good and hostile load together: the good is byte-exact, nothing is left, memory reaches a plateau",
  async (context) => {
    await needs(context, "nginx-light");
    await mixedLoad(MINUTES, async (figures) => {
      await record("hostile", figures);
      expect(figures.wrong.join("\n")).toBe("");
      for (const of of ["workerdMiB", "agentMiB", "launcherMiB"] as const) {
        const [early, late] = [figures[of].slice(0, MINUTES / 2), figures[of].slice(MINUTES / 2)];
        expect(Math.max(...late), of).toBeLessThan(1.5 * Math.max(...early));
      }
    });
  },
  40 * 60_000,
);
