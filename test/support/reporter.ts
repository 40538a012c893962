/**
 * Ends every run with what can be read without the rest: a line for each test that failed or had to be tried again, then the
 * plain line that any CI can read, `N passed, N failed[, N skipped]`.
 */
import { relative } from "node:path";
import type { Reporter, TestModule } from "vitest/node";

export default class PlainSummary implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    // Errors outside any test are failures too.
    const count = { passed: 0, failed: unhandledErrors.length, skipped: 0, pending: 0 };
    for (const error of unhandledErrors) console.log(`failed: outside any test: ${firstLine(error)}`);
    for (const module of modules) {
      const failedBefore = count.failed;
      const file = relative(process.cwd(), module.moduleId);
      for (const test of module.children.allTests()) {
        const { state, errors } = test.result();
        count[state]++;
        if (state === "failed") console.log(`failed: ${file}: ${test.fullName}: ${firstLine(errors?.[0])}`);
        if (state === "pending") console.log(`failed: ${file}: ${test.fullName}: it never ended`);
        if (test.diagnostic()?.flaky === true)
          console.log(`flaky, passed only when tried again: ${file}: ${test.fullName}: ${firstLine(errors?.[0])}`);
      }
      // A file that doesn't load, or whose hooks throw, has no failed test to show for it.
      if (module.state() === "failed" && count.failed === failedBefore) {
        count.failed++;
        console.log(`failed: ${file}: ${firstLine(module.errors()[0])}`);
      }
    }
    count.failed += count.pending;
    if (count.passed + count.failed === 0) {
      process.exitCode = 1;
      console.error("No test ran.");
    }
    const skipped = count.skipped > 0 ? `, ${count.skipped} skipped` : "";
    console.log(`${count.passed} passed, ${count.failed} failed${skipped}`);
  }
}

/** The message, and that of what caused it: Node's "fetch failed" alone says nothing. */
function firstLine(error: unknown): string {
  const told = error !== null && typeof error === "object" ? (error as { message?: unknown; cause?: unknown }) : {};
  const [line = ""] = String(told.message ?? error).split("\n", 1);
  return told.cause === undefined ? line : `${line}: ${firstLine(told.cause)}`;
}
