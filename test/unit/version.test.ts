import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { VERSION } from "../../shared/version.ts";

test.for(["package.json", "package-lock.json"])("%s says the version of shared/version.ts", (file) => {
  const { version } = JSON.parse(readFileSync(file, "utf8")) as { version: string };
  expect(version).toBe(VERSION);
});
