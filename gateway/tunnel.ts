import { setTimeout as sleep } from "node:timers/promises";
import type { Failure } from "../shared/wire/errors.ts";
import { carry, type LocalConnection, type Traffic } from "../link/carry.ts";
import type { Log } from "../link/log.ts";
import type { SiteLink } from "../link/site-link.ts";

/** Milliseconds that a new connection waits for the link or an agent to come back. */
const READY_TIMEOUT_MS = 10_000;
const POLL_MS = 50;

/** Carries a visitor's connection until it is over, and counts its bytes in `traffic`. Resolves with why it ended; null: in order. */
export async function tunnel(
  link: SiteLink,
  endpoint: string,
  visitor: string,
  local: LocalConnection,
  traffic: Traffic,
  log: Log,
): Promise<Failure | null> {
  const until = performance.now() + READY_TIMEOUT_MS;
  while (!link.isReady && performance.now() < until) await sleep(POLL_MS);
  const open = (tried: ReadonlySet<string>) => link.open(endpoint, visitor, "tcp", tried);
  const failure = await carry(local, open, (stream) => link.agentOf(stream), traffic);
  logStreamEnd(log, endpoint, visitor, traffic, failure);
  return failure;
}

/** Logs one line for each stream or flow, as its agent does, under the name that it has there and in `sallyport log`. */
export function logStreamEnd(
  log: Log,
  endpoint: string,
  visitor: string,
  traffic: Traffic,
  failure: Failure | null,
): void {
  const { stream, bytesIn, bytesOut } = traffic;
  const what = { ...(stream === undefined ? {} : { stream }), endpoint, visitor, bytesIn, bytesOut };
  if (failure === null) log("debug", "stream ended", what);
  else log("info", "stream ended early", { ...what, code: failure.code, reason: failure.reason });
}
