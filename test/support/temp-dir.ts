import { rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface TempDir extends AsyncDisposable {
  readonly path: string;
}

/** Folders outlive us when a process ends within their scope. */
const there = new Set<string>();
process.once("exit", () => {
  for (const path of there) rmSync(path, { recursive: true, force: true });
});

/** An empty folder that is gone with the scope: `await using data = await tempDir()`. */
export async function tempDir(): Promise<TempDir> {
  const path = await mkdtemp(join(tmpdir(), "sallyport-"));
  there.add(path);
  return {
    path,
    [Symbol.asyncDispose]: async () => {
      await rm(path, { recursive: true, force: true, maxRetries: 5 });
      there.delete(path);
    },
  };
}
