import type { Env } from "../env.ts";
import type { Site } from "../registry/sites.ts";
import type { RelayStatus } from "../relay/types.ts";
import { relayOf } from "../relay/stub.ts";

/** Milliseconds to wait for a relay's answer: a status with one site unknown is better than none. */
const TIMEOUT_MS = 2_000;

/** Asks a site's relay for its status. Returns null when there is no relay yet or it does not answer; never creates one. */
export function askRelay(env: Env, site: Site): Promise<RelayStatus | null> {
  return withTimeout(site, () => relayOf(env, site.relay).status());
}

/** Returns why no online agent of a site may dial a target; null when one may, none is online, or the relay does not answer. */
export function unreachableReason(env: Env, site: Site, target: string): Promise<string | null> {
  return withTimeout(site, () => relayOf(env, site.relay).whyUnreachable(target));
}

async function withTimeout<T>(site: Site, ask: () => Promise<T>): Promise<T | null> {
  if (!site.relaySeen) return null;
  const { promise: late, resolve } = Promise.withResolvers<null>();
  const timer = setTimeout(() => resolve(null), TIMEOUT_MS);
  try {
    return await Promise.race([ask(), late]);
  } catch (error) {
    console.warn(
      `the relay of ${site.name} does not answer: ${error instanceof Error ? error.message : String(error)}`,
    );
    return null;
  } finally {
    clearTimeout(timer);
  }
}
