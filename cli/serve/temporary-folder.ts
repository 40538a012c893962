import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EXIT } from "../../link/problem.ts";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

export type TemporaryFolder = Disposable & {
  readonly path: string;
  /** Stops ending this process on signals: the caller handles them from now on. */
  readonly releaseSignals: () => void;
};

/** Makes a folder that only this user can read; it is removed on disposal and when this process ends, by a signal too. */
export function temporaryFolder(): TemporaryFolder {
  const path = mkdtempSync(join(tmpdir(), "sallyport-"));
  const remove = (): void => rmSync(path, { recursive: true, force: true });
  const endProcess = (): never => process.exit(EXIT.failed);
  process.once("exit", remove);
  for (const signal of SIGNALS) process.once(signal, endProcess);
  const releaseSignals = (): void => {
    for (const signal of SIGNALS) process.off(signal, endProcess);
  };
  return {
    path,
    releaseSignals,
    [Symbol.dispose]: () => {
      process.off("exit", remove);
      releaseSignals();
      remove();
    },
  };
}
