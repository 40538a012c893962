import { running } from "../../test/support/run.ts";

/** Exit codes of a program that such a signal has ended. */
const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const;

/**
 * A bench that is told to end leaves nothing behind: it ends the programs that it has started, as their scopes would, says
 * so, and goes. Told a second time, it goes at once and they are killed.
 */
export function heedSignals(): void {
  let told = false;
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      if (told) process.exit(SIGNALS[signal]);
      told = true;
      const programs = running();
      console.error(`\n${signal}: ending ${programs.length} programs; nothing is written`);
      void Promise.allSettled(programs.map((program) => program[Symbol.asyncDispose]())).then(() => {
        console.error("they have ended");
        process.exit(SIGNALS[signal]);
      });
    });
  }
}
