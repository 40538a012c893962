import { expect, test } from "vitest";
import { OpenFilesWarning, noFilesFailure } from "../../agent/open-files.ts";

test("an agent without descriptors warns once a minute, with its limit and what to do, and of nothing else", () => {
  const told: unknown[] = [];
  const warning = new OpenFilesWarning(
    (level, message, fields) => told.push({ level, message, ...fields }),
    () => 1024,
  );
  warning.onStreamEnd(null, 0);
  warning.onStreamEnd({ code: "busy", reason: "too many dials in flight: 64 of 64 are for this mapping" }, 0);
  expect(told).toEqual([]);
  for (const now of [0, 1, 59_999]) warning.onStreamEnd(noFilesFailure(), now);
  expect(told).toEqual([
    {
      level: "warn",
      message: "the agent has no file descriptors left",
      limit: 1024,
      fix: expect.stringMatching(/LimitNOFILE.*ulimit -n/) as string,
    },
  ]);
  warning.onStreamEnd(noFilesFailure(), 60_000);
  expect(told).toHaveLength(2);
});
