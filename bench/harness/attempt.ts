import type { Report } from "./report.ts";

/** Does a part of the benchmark. When it fails, the report says so of these figures, the run fails in the end, and the others go on. */
export async function attempt<T>(
  report: Report,
  names: readonly string[],
  action: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await action();
  } catch (error) {
    for (const name of names)
      report.absent(name, "", "", `failed: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
    return undefined;
  }
}
