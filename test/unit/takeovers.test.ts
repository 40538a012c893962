import { expect, test } from "vitest";
import { Takeovers } from "../../edge/relay/hello-policy.ts";

test("restarts of an agent are permitted, a fight between two processes is settled for the elder", () => {
  const takeovers = new Takeovers();
  expect([0, 10, 20].map((at) => takeovers.permit("agent:a", at))).toEqual([true, true, true]);
  expect(takeovers.permit("agent:a", 30)).toBe(false);
  expect(takeovers.permit("agent:b", 30)).toBe(true);
  expect(takeovers.permit("agent:a", 60_001)).toBe(true);
});
