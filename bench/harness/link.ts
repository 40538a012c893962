import { join } from "node:path";
import { ROOT } from "../../scripts/tool.ts";
import { loopback } from "../../test/support/net.ts";
import { run } from "../../test/support/run.ts";

export interface Link {
  /** `host:port` that leads to the target. */
  readonly at: string;
  /** `reset`: every connection; `dark`: nothing passes and nobody is told; `heal`: light again. */
  readonly say: (command: "reset" | "dark" | "heal") => void;
}

export interface LinkOptions {
  /** Milliseconds each way. */
  readonly delay?: number;
  /** Bytes a second in each direction; 0: as they come. */
  readonly rate?: number;
}

/** An edge that is far away, on a line of a gigabit. */
export const FAR = { roundTripMs: 100, rate: 125e6 } as const;

/** A process that is a link to this target. */
export async function startLink(
  target: string,
  { delay = 0, rate = 0 }: LinkOptions,
  stack: AsyncDisposableStack,
): Promise<Link> {
  const at = `${loopback()}:9000`;
  const words = [join(ROOT, "bench/load/link.ts"), at, target, String(delay), String(rate)];
  const child = stack.use(run(process.execPath, words, { interactive: true }));
  await child.until(/ready/);
  return { at, say: (command) => child.type(`${command}\n`) };
}
