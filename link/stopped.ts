import type { FatalFault } from "./fault.ts";
import { EXIT, Problem } from "./problem.ts";

/** Resolves when `signal` aborts. Throws Problem when a link stops for good before that. */
export async function ended(stopped: Promise<FatalFault>, signal: AbortSignal): Promise<void> {
  const fault = await Promise.race([stopped, aborted(signal)]);
  if (fault !== undefined) throw problemOf(fault);
}

/** Converts a fault of a client or a gateway that no retry fixes into the Problem that its command ends with. */
export function problemOf({ code, reason, fix }: FatalFault): Problem {
  const exit = code === "token" ? EXIT.token : code === "forbidden" ? EXIT.denied : EXIT.failed;
  return new Problem(exit, code, reason, fix.replace("token agent SITE", "token visitor --endpoint E"));
}

/** Resolves when `signal` aborts. */
export function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
}
