import { pause } from "../../link/pause.ts";
import { exitText, type WorkerdProcess } from "./workerd-process.ts";
import type { Log } from "../../link/log.ts";

/** Milliseconds that workerd gets to end by itself; while an agent is connected it never does. */
const STOP_GRACE_MS = 500;
const FIRST_DELAY_MS = 100;
/** The longest wait, in milliseconds, before a workerd that was ready is restarted: visitors shall be served within a second. */
const MAX_DELAY_AFTER_READY_MS = 500;
/** The longest wait, in milliseconds, after one that was never ready. */
const MAX_DELAY_MS = 30_000;
/** Milliseconds after which a workerd counts as stable and the wait is short again. */
const STABLE_MS = 60_000;

/** Milliseconds between health checks, and how many must fail in a row before workerd counts as hung. */
const CHECK_MS = 5_000;
const MAX_FAILURES = 3;

export type Supervision = {
  /** The workerd that runs now. */
  first: WorkerdProcess;
  /** Starts another and waits until it is ready. Throws when it can't start. */
  start: () => Promise<WorkerdProcess>;
  /** Makes one health check of the workerd that runs. */
  isAnswering: () => Promise<boolean>;
  /** Resolves with the reason when a healthy workerd has to be restarted. */
  restartReason: () => Promise<string>;
};

/** Keeps workerd running until `signal`: restarts it when it ends or hangs, with a longer wait each time. */
export async function supervise(
  { first, start, isAnswering, restartReason }: Supervision,
  signal: AbortSignal,
  log: Log,
): Promise<void> {
  const stopped = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
  let current: WorkerdProcess | undefined = first;
  let since = performance.now();
  let delay = FIRST_DELAY_MS;
  while (!signal.aborted) {
    if (current !== undefined) {
      const watching = new AbortController();
      const ended = await Promise.race([
        current.ended,
        stopped,
        waitForHang(isAnswering, watching.signal),
        restartReason(),
      ]);
      watching.abort();
      if (ended === undefined) break;
      const isStable = performance.now() - since >= STABLE_MS;
      delay = isStable ? FIRST_DELAY_MS : Math.min(delay, MAX_DELAY_AFTER_READY_MS);
      if (typeof ended === "string") {
        log("warn", `${ended}; starting workerd again`);
        await current.stop(STOP_GRACE_MS);
        current = await tryRestart(start, log);
        since = performance.now();
        continue;
      }
      log("error", `${exitText(ended)}; starting it again`, { inMs: delay });
      current = undefined;
    }
    await pause(delay, signal);
    if (signal.aborted) break;
    delay = Math.min(delay * 2, MAX_DELAY_MS);
    current = await tryRestart(start, log);
    since = performance.now();
  }
  await current?.stop(STOP_GRACE_MS);
}

async function tryRestart(start: () => Promise<WorkerdProcess>, log: Log): Promise<WorkerdProcess | undefined> {
  try {
    const workerd = await start();
    log("info", "workerd is back");
    return workerd;
  } catch (error) {
    log("error", error instanceof Error ? error.message : String(error));
    return undefined;
  }
}

/** Resolves with the reason when MAX_FAILURES health checks in a row have failed; never after `over`. */
async function waitForHang(isAnswering: () => Promise<boolean>, over: AbortSignal): Promise<string> {
  let failures = 0;
  while (failures < MAX_FAILURES) {
    await pause(CHECK_MS, over);
    if (over.aborted) return new Promise(() => {});
    failures = (await isAnswering()) ? 0 : failures + 1;
  }
  return "workerd does not answer";
}
