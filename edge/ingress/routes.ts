import type { Env } from "../env.ts";
import { registryOf } from "../registry/stub.ts";
import { readRoute, type ReadRoute } from "./read-route.ts";

/** A copy this old is asked for again; a rule that changed is enforced by the relay at once in any case. */
const FRESH_MS = 1_000;
/** What a copy would refuse may have become possible since: it is asked again, but not for every visitor. */
const AGAIN_MS = 100;
/** How often a visitor looks whether the answer to another one's question has come. */
const POLL_MS = 5;
const MAX_COPIES = 1_000;

/** What is known of a port: the last answer, when that was asked for, and when it was last asked for at all. */
type Copy = { route: ReadRoute | null; answered: number; asked: number };

/** What ports lead to, kept per isolate for a moment: a denied flood wakes nothing. */
const copies = new Map<string, Copy>();

/** A rule was changed by this very isolate: the next visitor's is asked for. */
export function forgetRoutes(): void {
  copies.clear();
}

/**
 * Where a port leads. A refusal is always of a copy that was asked for after this call: a new mapping, or a site's first
 * agent, counts at once. No promise is shared: the one who asked may have gone, and its answer never comes.
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
    // Another answer, asked for later, may have come before.
    if (asked >= copy.answered) {
      copy.route = route;
      copy.answered = asked;
    }
    return route;
  } catch (error) {
    // The registry is out of reach: what is known goes on.
    if (copy.route === null) throw error;
    return copy.route;
  }
}
