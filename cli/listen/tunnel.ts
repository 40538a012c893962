import { setTimeout as sleep } from "node:timers/promises";
import type { Failure } from "../../shared/errors.ts";
import { carry, type Local, type Tally } from "../../link/carry.ts";
import type { Log } from "../../link/log.ts";
import type { SiteLink } from "../../link/site-link.ts";

/** Milliseconds a new connection waits for a link or an agent that is just coming back. */
const PATIENCE_MS = 10_000;
const LOOK_AGAIN_MS = 50;

/** One visitor's connection, from its first moment to its last, its bytes counted up in `tally`. Answers how it ended. */
export async function tunnel(
  link: SiteLink,
  endpoint: string,
  visitor: string,
  local: Local,
  tally: Tally,
  log: Log,
): Promise<Failure | null> {
  const until = performance.now() + PATIENCE_MS;
  while (!link.isReady && performance.now() < until) await sleep(LOOK_AGAIN_MS);
  const open = (tried: ReadonlySet<string>) => link.open(endpoint, visitor, "tcp", tried);
  const failure = await carry(local, open, (stream) => link.agentOf(stream), tally);
  const told = failure === null ? {} : { code: failure.code, reason: failure.reason };
  log(failure === null ? "debug" : "info", failure === null ? "closed" : "ended early", {
    endpoint,
    visitor,
    ...tally,
    ...told,
  });
  return failure;
}
