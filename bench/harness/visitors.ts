import { floorProgram } from "../adapters/floor-parts.ts";

/** Idle streams that another process has open: it ends, and they with it, with the scope. */
export interface Visitors {
  /** Opens so many more. Throws when one ends before it is open. */
  readonly open: (count: number) => Promise<void>;
  /** A byte there and back through each of them. Throws when one is no longer there. */
  readonly answer: () => Promise<void>;
}

/** Starts that process. `at`: an echo behind what is measured. */
export async function visitors(at: string, stack: AsyncDisposableStack): Promise<Visitors> {
  const program = await floorProgram("visitors.ts", [at], stack);
  let orders = 0;
  const order = async (what: string): Promise<void> => {
    orders += 1;
    program.type(`${orders} ${what}\n`);
    const [, failed] = await program.until(new RegExp(`^(?:done ${orders}|failed ${orders}: (.*))$`, "m"));
    if (failed !== undefined) throw new Error(failed);
  };
  return { open: (count) => order(`open ${count}`), answer: () => order("answer") };
}
