import { setTimeout as sleep } from "node:timers/promises";
import type { GatewayClaims } from "../shared/rule/claims.ts";
import { mayBind } from "../shared/rule/claims.ts";
import { parseAddress } from "../shared/address/address.ts";
import { parseEndpoint } from "../shared/address/endpoint.ts";
import { unwrap } from "../shared/result.ts";
import { formatHostPort, type SocketAddress } from "../shared/address/socket-address.ts";
import { isWithin } from "../shared/rule/reach.ts";
import { Client } from "../link/client.ts";
import { deferred } from "../link/deferred.ts";
import type { Dialler } from "../link/dial/dialler.ts";
import { logFields, type FatalFault } from "../link/fault.ts";
import type { Log } from "../link/log.ts";
import { Resources } from "../link/resources.ts";
import type { SiteLink } from "../link/site-link.ts";
import { TokenRenewal } from "../link/token-renewal.ts";
import { ended, problemOf } from "../link/stopped.ts";
import { Counts } from "./counts.ts";
import { Listeners, type Listener } from "./listeners.ts";
import { listeningsFor, type Listening, type ListenRequest } from "./listen-request.ts";
import { callerMetrics } from "./metrics.ts";

/** Milliseconds between checks for sites that are new or gone. Changes at known sites come at once, by ROUTES. */
const LOOK_MS = 5_000;
/** Milliseconds before a port that another program holds is tried again. */
const BUSY_MS = 10_000;

/** Milliseconds between checks whether the token is to be renewed. */
const RENEWAL_CHECK_MS = 1_000;

export type GatewayOptions = {
  edge: URL;
  dialler: Dialler;
  token: () => string;
  claims: () => GatewayClaims;
  /** Uses a renewed token from now on, and stores it. */
  keep: (token: string, claims: GatewayClaims) => void;
  /** The endpoints to listen for, and where; none: everything the token allows, at `bind`. */
  wanted: readonly ListenRequest[];
  /** Local addresses for requests without an address. */
  bind: readonly string[];
  isBalancer: (address: string) => boolean;
  /** Milliseconds between checks for new sites; absent: LOOK_MS. */
  lookMs?: number;
  /** Where to answer Prometheus; null: nowhere. */
  metrics: SocketAddress | null;
  log: Log;
};

/** Runs a gateway: listens at public ports as the mappings say, until `signal` aborts. Throws Problem when the token is refused. */
export async function gateway(options: GatewayOptions, signal: AbortSignal): Promise<void> {
  const { log, edge, dialler, token, isBalancer } = options;
  await using stack = new Resources();
  const stopped = deferred<FatalFault>();
  const counts = new Counts();
  const listeners = new Listeners({ sendsVisitors: true, isBalancer, counts }, log);
  const client = stack.use(
    new Client(
      { edge, kind: "gateway", dialler, token, log },
      {
        routes: (link) => ports.follow(link),
        // A site that is gone does not end the others.
        stopped: (fault) => fault.code === "forbidden" || stopped.resolve(fault),
        drained: (link) => listeners.drained(link),
        renew: () => renewal.ask(Date.now()),
        renewed: (frame) => renewal.answered(frame, Date.now()),
      },
    ),
  );
  stack.use(listeners);
  if (options.metrics !== null) {
    const { metrics, claims } = options;
    const report = () => ({ client, counts, listening: listeners.listening, expires: claims().exp });
    stack.use(await callerMetrics(metrics, "gateway", report, log));
  }
  const renewal = new TokenRenewal({ ...options, kind: "gateway" });
  const renewalTimer = setInterval(() => {
    const link = [...client.links].find(({ isConnected }) => isConnected);
    const renew = link?.edgeTime === undefined ? undefined : renewal.due(link.edgeTime);
    if (renew !== undefined) link?.send(renew);
  }, RENEWAL_CHECK_MS);
  const ports = new Ports(options, listeners);
  const over = new AbortController();
  signal.addEventListener("abort", () => over.abort(), { once: true });
  const looking = follow(client, ports, options, over.signal);
  try {
    await Promise.race([ended(stopped.promise, signal), looking]);
  } finally {
    clearInterval(renewalTimer);
    over.abort();
    await ports.settled();
  }
}

/** Connects to the sites that the token reaches, and disconnects from those that it no longer does, until `signal` aborts. */
async function follow(
  client: Client,
  ports: Ports,
  { lookMs = LOOK_MS, log }: GatewayOptions,
  signal: AbortSignal,
): Promise<void> {
  let announced = false;
  while (!signal.aborted) {
    const listing = await client.list();
    if ("sites" in listing) {
      const sites = new Set(listing.sites.filter(({ seen }) => seen).map(({ site }) => site));
      for (const link of [...client.links]) {
        if (sites.has(link.site)) continue;
        await ports.leave(link);
        await client.leave(link.site);
      }
      const links = [...sites].map((site) => client.use(site));
      if (!announced && links.every((link) => ports.follows(link))) {
        announced = true;
        await ports.settled();
        log("info", "ready", { sites: [...sites].join(" ") });
      }
    } else if (!listing.retryable) throw problemOf(listing);
    // Before the first "ready" it retries quickly, except after faults that take time to pass.
    const retryInMs = Math.max("sites" in listing ? 0 : listing.afterMs, announced ? lookMs : 100);
    if (!("sites" in listing)) log("warn", "not connected", { ...logFields(listing), retryInMs });
    await sleep(retryInMs, undefined, { signal }).catch(() => {});
  }
}

/** The ports of a gateway, opened and closed as ROUTES says, one change after the other. */
class Ports {
  readonly #options: GatewayOptions;
  readonly #listeners: Listeners;
  readonly #open = new Map<SiteLink, Map<string, Listener>>();
  #work: Promise<void> = Promise.resolve();

  constructor(options: GatewayOptions, listeners: Listeners) {
    this.#options = options;
    this.#listeners = listeners;
  }

  follows(link: SiteLink): boolean {
    return this.#open.has(link);
  }

  /** Resolves once all changes so far are made. */
  settled(): Promise<void> {
    return this.#work;
  }

  follow(link: SiteLink): void {
    if (!this.#open.has(link)) this.#open.set(link, new Map());
    this.#work = this.#work.then(() => this.#change(link, this.#wanted(link)));
  }

  leave(link: SiteLink): Promise<void> {
    this.#work = this.#work.then(() => this.#change(link, new Map())).then(() => void this.#open.delete(link));
    return this.#work;
  }

  async #change(link: SiteLink, wanted: ReadonlyMap<string, Listening>): Promise<void> {
    const { log } = this.#options;
    const open = this.#open.get(link) ?? new Map<string, Listener>();
    for (const [key, listener] of [...open]) {
      if (wanted.has(key)) continue;
      open.delete(key);
      await this.#listeners.close(listener);
      log("info", "closed", { endpoint: listener.endpoint, site: link.site });
    }
    let failed = false;
    for (const [key, listening] of wanted) {
      if (open.has(key)) continue;
      try {
        open.set(key, await this.#listeners.open(link, listening));
      } catch (error) {
        failed = true;
        const { code } = error as NodeJS.ErrnoException;
        const reason = code === "EADDRINUSE" ? "another program has that port" : String(error);
        log("warn", "can't listen", {
          endpoint: listening.text,
          at: formatHostPort(listening.host, listening.port),
          reason,
          retryInMs: BUSY_MS,
        });
      }
    }
    if (failed) setTimeout(() => this.#open.has(link) && this.follow(link), BUSY_MS).unref();
  }

  /** Lists where to listen for a site, as its ROUTES and the options say, by a key that tells them apart. */
  #wanted(link: SiteLink): Map<string, Listening> {
    const { wanted, bind, claims } = this.#options;
    const found = new Map<string, Listening>();
    for (const { endpoint: text, kind } of link.endpoints) {
      if (kind === "http") continue;
      const each: ListenRequest = { text, endpoint: unwrap(parseEndpoint(text)), host: null, port: null };
      for (const listening of bind.flatMap((host) => listeningsFor(each, host))) {
        for (const at of placesOf(listening, wanted)) {
          const address = parseAddress(at.host);
          if (address.ok && mayBind(claims(), address.value)) found.set(`${at.text} ${at.host} ${at.port}`, at);
        }
      }
    }
    return found;
  }
}

/** Lists where to listen for a concrete endpoint; nowhere if there are requests and none is for it. */
function placesOf(listening: Listening, wanted: readonly ListenRequest[]): Listening[] {
  if (wanted.length === 0) return [listening];
  return wanted
    .filter((each) => isWithin(listening.endpoint, [each.endpoint]))
    .flatMap((each) => listeningsFor(each, listening.host).filter((at) => at.text === listening.text));
}
