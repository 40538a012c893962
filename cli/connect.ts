import { setTimeout as sleep } from "node:timers/promises";
import { closeSync } from "node:fs";
import type { SocketAddress } from "../shared/address/socket-address.ts";
import { deferred } from "../link/deferred.ts";
import { Client, siteOf, type Listing } from "../link/client.ts";
import type { Dialler } from "../link/dial/dialler.ts";
import { aborted, ended, problemOf } from "../link/stopped.ts";
import { logFields, type FatalFault } from "../link/fault.ts";
import type { Log } from "../link/log.ts";
import { EXIT, Problem } from "../link/problem.ts";
import { Resources } from "../link/resources.ts";
import type { SiteLink } from "../link/site-link.ts";
import { Counts } from "../gateway/counts.ts";
import { Listeners } from "../gateway/listeners.ts";
import { tunnel } from "../gateway/tunnel.ts";
import { listeningsFor, showListening, type Listening, type ListenRequest } from "../gateway/listen-request.ts";
import { callerMetrics } from "../gateway/metrics.ts";

const LOOPBACK = "127.0.0.1";
const RETRY_MS = 1_000;
const MAX_RETRY_MS = 15_000;

/** Milliseconds between checks whether the token has expired. */
const CHECK_INTERVAL_MS = 1_000;
/** Milliseconds by which this client's estimate of the edge's time may be behind. */
const MAX_CLOCK_LAG_MS = 5_000;

/** `expires`: when the token expires, in milliseconds since 1970. */
export type ConnectOptions = {
  edge: URL;
  dialler: Dialler;
  token: string;
  expires: number;
  wanted: readonly ListenRequest[];
  /** Where to serve metrics to Prometheus; null: nowhere. */
  metrics: SocketAddress | null;
  log: Log;
};

/** Opens local listeners for endpoints until `signal`. Throws Problem when the token does not open an endpoint, expires or is revoked. */
export async function connect(
  { edge, dialler, token, expires, wanted, metrics, log }: ConnectOptions,
  signal: AbortSignal,
): Promise<void> {
  await using stack = new Resources();
  const stopped = deferred<FatalFault>();
  const counts = new Counts();
  const listeners = new Listeners({ sendsVisitors: false, isBalancer: () => false, counts }, log);
  const client = stack.use(
    new Client(
      { edge, kind: "client", dialler, token: () => token, log },
      { routes: () => {}, stopped: stopped.resolve, drained: (link) => listeners.drained(link) },
    ),
  );
  stack.use(listeners);
  if (metrics !== null) {
    const report = () => ({ client, counts, listening: listeners.listening, expires: Math.floor(expires / 1000) });
    stack.use(await callerMetrics(metrics, "client", report, log));
  }
  const listing = await waitForListing(client, log, signal);
  if (listing === undefined) return;
  for (const listening of wanted.flatMap((each) => listeningsFor(each, LOOPBACK))) {
    await openListener(listeners, client.use(siteFor(listing, listening)), listening);
  }
  log("info", "ready", { endpoints: wanted.map(({ text }) => text).join(" ") });
  // This machine's clock may be wrong: the edge's decides when the token expires.
  const isOver = (early: number): boolean => [...client.links].some(({ edgeTime = 0 }) => edgeTime + early >= expires);
  await Promise.race([ended(stopped.promise, signal), throwWhenExpired(() => isOver(0), signal)]).catch(
    (error: unknown) => {
      // The edge may have closed the lanes for that reason before this client noticed.
      throw isOver(MAX_CLOCK_LAG_MS) ? tokenExpired() : error;
    },
  );
}

/** Carries one connection over standard input and output, for `ssh -o ProxyCommand`. Throws Problem when it breaks off. */
export async function connectStdio(
  { edge, dialler, token, wanted, log }: ConnectOptions,
  signal: AbortSignal,
): Promise<void> {
  const [only] = wanted;
  const [listening, ...more] = only === undefined ? [] : listeningsFor(only, LOOPBACK);
  if (only === undefined || wanted.length > 1 || more.length > 0 || listening?.transport !== "tcp") {
    throw Problem.usage(
      "stdio-one",
      "--stdio carries exactly one TCP endpoint",
      "name one port, as 2222/tcp, or SITE/NAME",
    );
  }
  await using stack = new Resources();
  const stopped = deferred<FatalFault>();
  const events = { routes: () => {}, stopped: stopped.resolve, drained: () => {} };
  const client = stack.use(new Client({ edge, kind: "client", dialler, token: () => token, log }, events));
  const listing = await waitForListing(client, log, signal);
  if (listing === undefined) return;
  const link = client.use(siteFor(listing, listening));
  const { stdin, stdout } = process;
  // The program that reads standard output must see its end at once; the other direction may go on.
  stdout.once("finish", () => closeSync(1));
  const local = { readable: stdin, writable: stdout, reset: () => {} };
  const carried = tunnel(link, listening.text, "", local, { bytesIn: 0, bytesOut: 0 }, log);
  const failure = await Promise.race([carried, stopped.promise, aborted(signal)]);
  stdin.destroy();
  if (failure === null || failure === undefined) return;
  if ("retryable" in failure) throw problemOf(failure);
  throw new Problem(
    failure.code === "denied" || failure.code === "expired" ? EXIT.denied : EXIT.failed,
    failure.code,
    failure.reason,
    "an admin can see more with sallyport status and sallyport log",
  );
}

/**
 * Asks the edge which sites and endpoints the token opens; retries while the edge can't be reached. Returns undefined after `signal`.
 * Throws Problem when the edge refuses the token.
 */
export async function waitForListing(client: Client, log: Log, signal: AbortSignal): Promise<Listing | undefined> {
  for (let wait = RETRY_MS; !signal.aborted; wait = Math.min(wait * 2, MAX_RETRY_MS)) {
    const listing = await client.list();
    if ("sites" in listing) return listing;
    if (!listing.retryable) throw problemOf(listing);
    const retryInMs = Math.max(wait, listing.afterMs);
    log("warn", "not connected", { ...logFields(listing), retryInMs });
    await sleep(retryInMs, undefined, { signal }).catch(() => {});
  }
  return undefined;
}

function siteFor(listing: Listing, { endpoint, text }: Listening): string {
  const site = siteOf(listing, endpoint);
  if (site !== undefined) return site;
  const all = listing.sites.flatMap(({ endpoints }) => endpoints.map((each) => each.text));
  throw new Problem(
    EXIT.denied,
    "denied",
    `the token does not open ${text}, or nothing is mapped there`,
    all.length === 0 ? "ask an admin for a token that opens it" : `it opens ${all.join(" ")}`,
  );
}

async function openListener(listeners: Listeners, link: SiteLink, listening: Listening): Promise<void> {
  try {
    await listeners.open(link, listening);
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    const cause =
      code === "EADDRINUSE"
        ? "the port is in use by another program"
        : error instanceof Error
          ? error.message
          : String(error);
    throw Problem.configuration(
      "listen-failed",
      `can't listen for ${showListening(listening)}: ${cause}`,
      `choose another address or port: ${listening.text}=127.0.0.1:PORT`,
    );
  }
}

/** Throws Problem when the token has expired; resolves when `signal` comes first. */
async function throwWhenExpired(isOver: () => boolean, signal: AbortSignal): Promise<void> {
  while (!signal.aborted && !isOver())
    await sleep(CHECK_INTERVAL_MS, undefined, { signal, ref: false }).catch(() => {});
  if (!signal.aborted) throw tokenExpired();
}

function tokenExpired(): Problem {
  const fix = "ask an admin for a new one: sallyport token visitor --endpoint E";
  return new Problem(EXIT.token, "token-expired", "the token has expired", fix);
}
