import { setTimeout as sleep } from "node:timers/promises";
import { endText, type WorkerdProcess } from "./child.ts";
import type { Log } from "../../link/log.ts";

/** Milliseconds workerd gets to end by itself; while an agent is connected it never does. */
const STOP_GRACE_MS = 500;
const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 30_000;
/** Milliseconds after which a workerd counts as stable and the next end is retried quickly again. */
const STABLE_MS = 60_000;

/**
 * Keeps workerd running until `signal`: when it ends by itself it is started again, waiting longer each time.
 * `first` is the one running now; `start` gives one that is ready, or throws.
 */
export async function supervise(
  first: WorkerdProcess,
  start: () => Promise<WorkerdProcess>,
  signal: AbortSignal,
  log: Log,
): Promise<void> {
  const stopped = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
  let current: WorkerdProcess | undefined = first;
  let since = Date.now();
  let delay = FIRST_DELAY_MS;
  while (!signal.aborted) {
    if (current !== undefined) {
      const ended = await Promise.race([current.ended, stopped]);
      if (ended === undefined) break;
      if (Date.now() - since >= STABLE_MS) delay = FIRST_DELAY_MS;
      log("error", `${endText(ended)}; starting it again`, { inMs: delay });
      current = undefined;
    }
    await Promise.race([sleep(delay, undefined, { ref: true }), stopped]);
    if (signal.aborted) break;
    delay = Math.min(delay * 2, LONGEST_DELAY_MS);
    try {
      current = await start();
      since = Date.now();
      log("info", "workerd is back");
    } catch (error) {
      log("error", error instanceof Error ? error.message : String(error), { nextTryInMs: delay });
    }
  }
  await current?.stop(STOP_GRACE_MS);
}
