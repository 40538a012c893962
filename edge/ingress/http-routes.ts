import { parseAddress } from "../../shared/address/address.ts";
import type { HttpEndpoint } from "../../shared/address/endpoint.ts";
import { isSameRule } from "../../shared/rule/same-rule.ts";
import { hostMatches } from "../../shared/rule/scope.ts";
import type { Env } from "../env.ts";
import { registryOf } from "../registry/stub.ts";
import type { Route } from "../registry/types.ts";
import { readRoute, type ReadRoute } from "./read-route.ts";

/** A copy this old is asked for again; the relay enforces rules that changed at once in any case. */
const FRESH_MS = 1_000;
/** What an older copy would refuse may have become possible since: it is asked again, but not for every request. */
const AGAIN_MS = 100;
/** A refresh that takes longer than this is not waited for by others. */
const PATIENCE_MS = 1_000;

/** An endpoint and where it leads; routeHttp chooses among these. */
export type HttpRoute = HttpEndpoint & { readonly route: ReadRoute };

/** Whether it makes no difference to who may come in which of the two serves a request. */
export function isSameRoute(a: HttpRoute, b: HttpRoute): boolean {
  return isSameRule(a.route, b.route);
}

/**
 * What a host is: the edge's own; its own and endpoints' at once (`--share-control-host`); an address of the machine it
 * runs on; endpoints; or nothing that is known here.
 */
export type HostKind = "control" | "shared" | "address" | "endpoints" | "unknown";
export type Host = { readonly kind: HostKind; readonly routes: readonly HttpRoute[] };

/** Every host of the edge, parsed once for each change of the registry's rules. */
class Hosts {
  readonly tag: string;
  readonly #control: ReadonlySet<string>;
  readonly #routes: readonly HttpRoute[];
  readonly #shares: boolean;
  readonly #byHost = new Map<string, Host>();

  constructor(tag: string, control: readonly string[], routes: readonly Route[], shares: boolean) {
    this.tag = tag;
    this.#control = new Set(control);
    this.#shares = shares;
    this.#routes = routes.map(readRoute).flatMap((route) => {
      const { endpoint } = route.rule;
      return endpoint.kind === "http" ? [{ ...endpoint, route }] : [];
    });
  }

  of(host: string): Host {
    const found = this.#byHost.get(host);
    if (found !== undefined) return found;
    const routes = this.#routes.filter((each) => hostMatches(each.host, host));
    const kind = this.#kindOf(host, routes.length > 0);
    const made: Host = { kind, routes: kind === "shared" || kind === "endpoints" ? routes : [] };
    // Visitors choose hosts: only hosts with routes are cached.
    if (routes.length > 0 && this.#byHost.size < 1_000) this.#byHost.set(host, made);
    return made;
  }

  #kindOf(host: string, isMapped: boolean): HostKind {
    if (this.#control.has(host)) return this.#shares ? "shared" : "control";
    if (isMapped) return "endpoints";
    // Whatever it is reached by before its first login may become its URL.
    if (this.#control.size === 0) return "control";
    return host === "localhost" || parseAddress(host).ok ? "address" : "unknown";
  }
}

let hosts: Hosts | undefined;
let checked = 0;
let asking = 0;
/** How often rules were changed by this very isolate, and how often they had been when the copy was asked for. */
let changes = 0;
let copied = 0;

/**
 * What a host is by a copy that was asked for after this call: a new mapping, or a site's first agent, counts at once.
 * However many call, the registry is asked every AGAIN_MS at most.
 */
export async function askAgain(env: Env, host: string, before: Host): Promise<Host> {
  const called = Date.now();
  for (let now = called; now - called < PATIENCE_MS; now = Date.now()) {
    if (hosts !== undefined && copied === changes && checked > called) return hosts.of(host);
    // A refresh of another request can't be waited for, and may never end: the visitor that it was for may have gone.
    const due = Math.max(checked, asking) + AGAIN_MS;
    if (copied !== changes || now >= due) {
      asking = now;
      return (await refresh(env, now)).of(host);
    }
    await scheduler.wait(due - now);
  }
  return before;
}

/** Drops the cached hosts after this isolate changed a rule: requests fetch them until an answer to a later fetch arrives. */
export function forgetHosts(): void {
  changes += 1;
}

/** The hosts at once if the copy is fresh, else a promise. No promise is shared: requests can't wait for each other's I/O. */
export function hostsOf(env: Env): Hosts | Promise<Hosts> {
  const now = Date.now();
  if (hosts !== undefined && copied === changes && (now - checked < FRESH_MS || now - asking < PATIENCE_MS))
    return hosts;
  asking = now;
  return refresh(env, now);
}

async function refresh(env: Env, now: number): Promise<Hosts> {
  const asked = changes;
  try {
    const table = await registryOf(env).httpTable(hosts?.tag ?? "");
    // The answer to a later fetch may have arrived first.
    if (asked >= copied) {
      if (table !== null) hosts = new Hosts(table.tag, table.control, table.routes, env.SHARE_CONTROL_HOST === "1");
      copied = asked;
      checked = now;
    }
  } catch (error) {
    // The registry can't be reached: the cached hosts stay in use.
    if (hosts === undefined) throw error;
  } finally {
    asking = 0;
  }
  return hosts ?? new Hosts("", [], [], false);
}
