import type { Env } from "../env.ts";
import type { Site } from "../registry/sites.ts";
import type { RelayStatus } from "../relay/types.ts";

/** Milliseconds a relay gets to answer: a status with one site unknown is better than none. */
const TIMEOUT_MS = 2_000;

/** What a site's relay says of itself; null when there is none yet or it does not answer. Never creates a relay. */
export async function askRelay(env: Env, site: Site): Promise<RelayStatus | null> {
  if (!site.relaySeen) return null;
  const { promise: late, resolve } = Promise.withResolvers<null>();
  const timer = setTimeout(() => resolve(null), TIMEOUT_MS);
  try {
    return await Promise.race([env.RELAY.getByName(site.relay).status(), late]);
  } catch (error) {
    console.warn(
      `the relay of ${site.name} does not answer: ${error instanceof Error ? error.message : String(error)}`,
    );
    return null;
  } finally {
    clearTimeout(timer);
  }
}
