import { registryOf, type Env } from "../env.ts";
import type { Route } from "../registry/types.ts";

/** A copy this old is asked for again; a rule that changed is enforced by the relay at once in any case. */
const FRESH_MS = 1_000;
const MOST = 1_000;

type Entry = { at: number; route: Promise<Route | null> };

/** What ports lead to, kept per isolate for a second, misses coalesced: a denied flood wakes nothing. */
const entries = new Map<string, Entry>();

/** A rule was changed by this very isolate: the next visitor's is asked for. */
export function forgetRoutes(): void {
  entries.clear();
}

export function routePort(env: Env, port: number, transport: "tcp" | "udp"): Promise<Route | null> {
  const key = `${port}/${transport}`;
  const now = Date.now();
  const entry = entries.get(key);
  if (entry !== undefined && now - entry.at < FRESH_MS) return entry.route;
  if (entries.size >= MOST) entries.clear();
  const route = registryOf(env).routePort(port, transport);
  entries.set(key, { at: now, route });
  route.catch(() => entries.delete(key));
  return route;
}
