/** Ends every run with the plain line that any CI can read: `N passed, N failed[, N skipped]`. */
import type { Reporter, TestModule } from "vitest/node";

export default class PlainSummary implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    // Errors outside any test are failures too.
    const count = { passed: 0, failed: unhandledErrors.length, skipped: 0, pending: 0 };
    for (const module of modules) {
      const failedBefore = count.failed;
      for (const test of module.children.allTests()) {
        count[test.result().state]++;
        if (test.diagnostic()?.flaky === true) console.log(`flaky, passed only when tried again: ${test.fullName}`);
      }
      // A file that doesn't load, or whose hooks throw, has no failed test to show for it.
      if (module.state() === "failed" && count.failed === failedBefore) count.failed++;
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
