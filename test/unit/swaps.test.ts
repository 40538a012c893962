import { expect, test } from "vitest";
import { Swaps } from "../../edge/relay/hellos.ts";

test("restarts of an agent are permitted, a fight between two processes is settled for the elder", () => {
  const swaps = new Swaps();
  expect([0, 10, 20].map((at) => swaps.permit("agent:a", at))).toEqual([true, true, true]);
  expect(swaps.permit("agent:a", 30)).toBe(false);
  expect(swaps.permit("agent:b", 30)).toBe(true);
  expect(swaps.permit("agent:a", 60_001)).toBe(true);
});
