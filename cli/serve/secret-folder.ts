import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EXIT } from "../../link/problem.ts";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

export type SecretFolder = Disposable & {
  readonly path: string;
  /** From now on signals end nothing here: others heed them. */
  readonly leaveSignals: () => void;
};

/** A folder for what nobody else may read, gone when it is disposed of and when this process ends, by a signal too. */
export function secretFolder(): SecretFolder {
  const path = mkdtempSync(join(tmpdir(), "sallyport-"));
  const remove = (): void => rmSync(path, { recursive: true, force: true });
  const end = (): never => process.exit(EXIT.failed);
  process.once("exit", remove);
  for (const signal of SIGNALS) process.once(signal, end);
  const leaveSignals = (): void => {
    for (const signal of SIGNALS) process.off(signal, end);
  };
  return {
    path,
    leaveSignals,
    [Symbol.dispose]: () => {
      process.off("exit", remove);
      leaveSignals();
      remove();
    },
  };
}
