import { randomBytes } from "node:crypto";
import * as z from "zod";
import { parseEndpoint, type Endpoint } from "../shared/address/endpoint.ts";
import type { Frame } from "../shared/wire/frame.ts";
import { isWithin } from "../shared/rule/reach.ts";
import { ask } from "./dial/ask.ts";
import type { Dialler } from "./dial/dialler.ts";
import { detailOf, faultOfError, faultOfStatus, logLoss, logFields, type LinkFault, type FatalFault } from "./fault.ts";
import type { Log } from "./log.ts";
import { SiteLink } from "./site-link.ts";

/** An endpoint that a token reaches, as the edge lists it. */
const ListedEndpoint = z.object({ endpoint: z.string(), kind: z.enum(["tcp", "udp", "http"]) });

const Listing = z.object({
  kind: z.enum(["client", "gateway"]),
  /** Seconds since 1970. */
  expires: z.number(),
  sites: z.array(
    z.object({
      site: z.string(),
      seen: z.boolean(),
      endpoints: z.array(ListedEndpoint).transform((all) => all.flatMap(parseListed)),
    }),
  ),
});
/** The sites and endpoints that a token reaches. */
export type Listing = z.infer<typeof Listing>;

const TIMEOUT_MS = 15_000;
/** Limit in bytes on the list: as many endpoints as one request may map take a tenth of it. */
const MAX_LISTING_BYTES = 8 * 1024 * 1024;

export type ClientOptions = {
  edge: URL;
  kind: "client" | "gateway";
  dialler: Dialler;
  token: () => string;
  log: Log;
};

export type ClientEvents = {
  routes: (link: SiteLink) => void;
  stopped: (fault: FatalFault) => void;
  drained: (link: SiteLink) => void;
  /** Makes the frame that renews an expired token; clients don't renew theirs. */
  renew?: () => Uint8Array;
  /** An answer to a RENEW. */
  renewed?: (frame: Frame) => void;
};

/** A client or gateway at one edge: a set of lanes for each site that it uses. */
export class Client implements AsyncDisposable {
  readonly #options: ClientOptions;
  readonly #events: ClientEvents;
  readonly #links = new Map<string, SiteLink>();
  readonly #incarnation = randomBytes(16).toString("hex");

  constructor(options: ClientOptions, events: ClientEvents) {
    this.#options = options;
    this.#events = events;
  }

  get links(): Iterable<SiteLink> {
    return this.#links.values();
  }

  /** Asks the edge what the token reaches. */
  async list(): Promise<Listing | LinkFault> {
    const { edge, dialler, token } = this.#options;
    const url = new URL("/.sallyport/connect", edge);
    try {
      const headers = { authorization: `Bearer ${token()}` };
      const {
        status,
        headers: answerHeaders,
        body,
      } = await ask(dialler, url, { headers, limit: MAX_LISTING_BYTES, timeoutMs: TIMEOUT_MS });
      const listing = Listing.safeParse(body);
      if (status === 200 && listing.success) return listing.data;
      return faultOfStatus(status, detailOf(body), answerHeaders["retry-after"]);
    } catch (error) {
      return faultOfError(error as Error);
    }
  }

  /** Returns the lanes to a site, and dials them if there are none yet. */
  use(site: string): SiteLink {
    const existing = this.#links.get(site);
    if (existing !== undefined) return existing;
    const { log } = this.#options;
    const link: SiteLink = new SiteLink(
      { ...this.#options, site, incarnation: this.#incarnation },
      {
        routes: () => this.#events.routes(link),
        connected: () => log("info", "connected", { site }),
        disconnected: (fault, retryInMs) => log("warn", "not connected", { site, ...logFields(fault), retryInMs }),
        lost: (lane, fault) => logLoss(log, fault, { site, lane }),
        stopped: (fault) => this.#events.stopped(fault),
        drained: () => this.#events.drained(link),
        ...(this.#events.renew === undefined ? {} : { renew: this.#events.renew }),
        renewed: (frame) => this.#events.renewed?.(frame),
      },
    );
    this.#links.set(site, link);
    return link;
  }

  /** Closes the lanes to a site. */
  async leave(site: string): Promise<void> {
    const link = this.#links.get(site);
    this.#links.delete(site);
    await link?.[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#links.keys()].map((site) => this.leave(site)));
  }
}

/** Parses a listed endpoint; an edge of a later version may list one that this client cannot parse. */
function parseListed({ endpoint: text }: z.infer<typeof ListedEndpoint>): { text: string; endpoint: Endpoint }[] {
  const endpoint = parseEndpoint(text);
  return endpoint.ok ? [{ text, endpoint: endpoint.value }] : [];
}

/** Returns the site of a concrete endpoint; undefined if the token does not reach it. */
export function siteOf(listing: Listing, endpoint: Endpoint): string | undefined {
  return listing.sites.find(({ endpoints }) => endpoints.some((each) => isWithin(endpoint, [each.endpoint])))?.site;
}
