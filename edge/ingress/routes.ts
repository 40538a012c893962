import type { Env } from "../env.ts";
import { registryOf } from "../registry/stub.ts";
import { readRoute, type ReadRoute } from "./read-route.ts";

/** Age in milliseconds at which a copy is fetched again. The relay enforces changed rules at once in any case. */
const FRESH_MS = 1_000;
/** Least milliseconds between two fetches for visitors that the copy refuses: a rule may admit them since. */
const AGAIN_MS = 100;
/** Milliseconds between two checks whether another visit's fetch has been answered. */
const POLL_MS = 5;
const MAX_COPIES = 1_000;

/** A cached route: the last answer, when it was asked for (`answered`), and when the registry was last asked (`asked`). */
type Copy = { route: ReadRoute | null; answered: number; asked: number };

/** Routes cached in this isolate for a moment, so that a denied flood wakes no Durable Object. */
const copies = new Map<string, Copy>();

/** Drops the cached routes after this isolate changed a rule. */
export function forgetRoutes(): void {
  copies.clear();
}

/**
 * Returns the route of a port; null if it has none. Returns null, or a route whose relay no agent has reached yet, only from an
 * answer asked for after this call, so a new mapping or a site's first agent counts at once. Visits share no promise, because the
 * answer to a visit that has ended never arrives.
 * Rejects if the registry can't be reached and no route is cached.
 */
export async function routePort(env: Env, port: number, transport: "tcp" | "udp"): Promise<ReadRoute | null> {
  const key = `${port}/${transport}`;
  const called = Date.now();
  for (let now = called; ; now = Date.now()) {
    const copy = copies.get(key);
    if (copy === undefined) return ask(env, port, transport, key, { route: null, answered: 0, asked: now });
    const isUsable = copy.route?.relaySeen === true;
    const isAsked = now - copy.asked < AGAIN_MS;
    if (isUsable && (now - copy.answered < FRESH_MS || isAsked)) return copy.route;
    if (copy.answered > called) return copy.route;
    if (!isAsked) return ask(env, port, transport, key, copy);
    await scheduler.wait(copy.answered < copy.asked ? POLL_MS : copy.asked + AGAIN_MS - now);
  }
}

async function ask(
  env: Env,
  port: number,
  transport: "tcp" | "udp",
  key: string,
  copy: Copy,
): Promise<ReadRoute | null> {
  const asked = Date.now();
  copy.asked = asked;
  if (copies.size >= MAX_COPIES) copies.clear();
  copies.set(key, copy);
  try {
    const answer = await registryOf(env).routePort(port, transport);
    const route = answer === null ? null : readRoute(answer);
    // The answer to a later fetch may have arrived first.
    if (asked >= copy.answered) {
      copy.route = route;
      copy.answered = asked;
    }
    return route;
  } catch (error) {
    // The registry can't be reached: the cached route stays in use.
    if (copy.route === null) throw error;
    return copy.route;
  }
}
