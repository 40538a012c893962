import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { npmLockText } from "./scripts/npm-lock.ts";
import { defineConfig, type TestProjectConfiguration } from "vitest/config";

/** As in scripts/build.ts: tests of sources meet the built Worker's text here too, and of the dashboard, which is built into it, nothing. */
const builtSources = {
  name: "built-sources",
  resolveId: (id: string) => (["worker:source", "dashboard:files", "npm:lock"].includes(id) ? `\0${id}` : undefined),
  load(id: string) {
    if (id === "\0npm:lock") return `export default ${npmLockText()};`;
    if (id === "\0dashboard:files") return "export default [];";
    if (id !== "\0worker:source") return undefined;
    const text = readFileSync(new URL("dist/worker.js", import.meta.url), "utf8");
    return `export default ${JSON.stringify(text)};`;
  },
};

/** Whether the pure tests notice the faults that are planted in copies of the code: many builds, so not in `npm test`. */
const PLANTED = "test/spec/planted*.test.ts";

/** Pure code: no sockets, no processes. */
function pure(name: string): TestProjectConfiguration {
  return {
    plugins: [builtSources],
    test: {
      name,
      include: [`test/${name}/**/*.test.ts`],
      exclude: [PLANTED],
      // Isolation costs half as much CPU again (measured 2026-11-29). So a test undoes whatever it sets up.
      isolate: false,
      // The time-out only ends a hang: no test is judged by its speed, and machines are shared.
      testTimeout: 120_000,
    },
  };
}

/** Real processes and sockets. `seconds` is when a hung test is given up; no test is judged by its speed. */
function running(name: string, seconds: number, ...more: readonly string[]): TestProjectConfiguration {
  return {
    plugins: [builtSources],
    test: {
      name,
      include: [`test/${name}/**/*.test.ts`, ...more],
      globalSetup: "test/support/build.ts",
      // For the same reason; system and soak tests change more of their process.
      isolate: name !== "e2e",
      testTimeout: seconds * 1000,
      hookTimeout: seconds * 1000,
    },
  };
}

export default defineConfig({
  test: {
    projects: [
      pure("unit"),
      pure("spec"),
      running("e2e", 300),
      running("system", 600, PLANTED),
      running("soak", 1_800),
    ],
    teardownTimeout: 10_000,
    // Tests of running programs mostly wait for them: more files at once than there are processors.
    maxWorkers: Math.max(6, availableParallelism()),
    reporters: ["default", "./test/support/reporter.ts"],
  },
});
