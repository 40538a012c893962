import type { TestContext } from "vitest";
import { join } from "node:path";
import { execute } from "./run.ts";

/** A file system of its own. */
export interface Disk {
  readonly path: string;
  /** Takes all the room that is left. */
  fill(): Promise<void>;
  /** Gives that room back. */
  empty(): Promise<void>;
  /** Mounts it anew: `ro` or `rw`. Nothing may be open for writing on it. */
  remount(mode: "ro" | "rw"): Promise<void>;
}

/** A disk with little room at `path`, until the end of `stack`. Only root can make one; elsewhere the test is skipped and says so. */
export async function smallDisk(context: TestContext, path: string, stack: AsyncDisposableStack): Promise<Disk> {
  const { code, stderr } = await execute("mount", ["-t", "tmpfs", "-o", "size=4m", "none", path]);
  if (code !== 0) {
    console.warn(`SKIPPED: ${context.task.name}: needs to mount a small tmpfs: ${stderr}`);
    return context.skip("needs to mount a small tmpfs");
  }
  stack.defer(async () => void (await execute("umount", ["--lazy", path])));
  const fill = join(path, "fill");
  return {
    path,
    async fill() {
      const { stderr: said } = await execute("dd", ["if=/dev/zero", `of=${fill}`, "bs=1k"]);
      if (!said.includes("No space left")) throw new Error(`the disk is not full: ${said}`);
    },
    async empty() {
      await execute("rm", [fill]);
    },
    async remount(mode) {
      const remounted = await execute("mount", ["-o", `remount,${mode}`, path]);
      if (remounted.code !== 0) throw new Error(`not remounted: ${remounted.stderr}`);
    },
  };
}
