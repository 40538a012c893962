import { randomBytes } from "node:crypto";
import * as z from "zod";
import { parseEndpoint } from "../shared/endpoint.ts";
import type { Frame } from "../shared/frame.ts";
import { isWithin } from "../shared/reach.ts";
import { known } from "../shared/result.ts";
import { jsonOf } from "./answer.ts";
import { faultOfStatus, logLoss, type LinkFault, type LinkStopped } from "./fault.ts";
import type { Log } from "./log.ts";
import { SiteLink } from "./site-link.ts";

const Listing = z.object({
  kind: z.enum(["client", "gateway"]),
  /** Seconds since 1970. */
  expires: z.number(),
  sites: z.array(
    z.object({
      site: z.string(),
      seen: z.boolean(),
      endpoints: z.array(z.object({ endpoint: z.string(), kind: z.enum(["tcp", "udp", "http"]) })),
    }),
  ),
});
/** What the edge says a token reaches. */
export type Listing = z.infer<typeof Listing>;

const TIMEOUT_MS = 15_000;
/** Limit in bytes for the list: as many endpoints as one request may map take a tenth of it. */
const MOST_LISTED = 8 * 1024 * 1024;

export type ClientOptions = { edge: URL; kind: "client" | "gateway"; token: () => string; log: Log };

export type ClientEvents = {
  routes: (link: SiteLink) => void;
  stopped: (fault: LinkStopped) => void;
  drained: (link: SiteLink) => void;
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
    const url = new URL("/.sallyport/connect", this.#options.edge);
    url.protocol = url.protocol.replace("ws", "http");
    const unreachable = (reason: string): LinkFault => ({ retryable: true, code: "unreachable", reason, afterMs: 0 });
    try {
      const headers = { authorization: `Bearer ${this.#options.token()}` };
      const response = await fetch(url, { headers, redirect: "error", signal: AbortSignal.timeout(TIMEOUT_MS) });
      const answer = await jsonOf(response, MOST_LISTED);
      const body = answer.ok ? answer.json : undefined;
      const listing = Listing.safeParse(body);
      if (response.ok && listing.success) return listing.data;
      const { detail } = z.object({ detail: z.string() }).safeParse(body).data ?? { detail: "" };
      return faultOfStatus(response.status, detail, response.headers.get("retry-after") ?? undefined);
    } catch (error) {
      return unreachable(`the edge does not answer: ${error instanceof Error ? causeOf(error) : String(error)}`);
    }
  }

  /** The lanes to a site, dialled from now on. */
  use(site: string): SiteLink {
    const existing = this.#links.get(site);
    if (existing !== undefined) return existing;
    const { log } = this.#options;
    const link: SiteLink = new SiteLink(
      { ...this.#options, site, incarnation: this.#incarnation },
      {
        routes: () => this.#events.routes(link),
        connected: () => log("info", "connected", { site }),
        disconnected: ({ reason }, retryInMs) => log("warn", "not connected", { site, reason, retryInMs }),
        lost: (lane, fault) => logLoss(log, fault, { site, lane }),
        stopped: (fault) => this.#events.stopped(fault),
        drained: () => this.#events.drained(link),
        renewed: (frame) => this.#events.renewed?.(frame),
      },
    );
    this.#links.set(site, link);
    return link;
  }

  /** Hangs up at a site. */
  async leave(site: string): Promise<void> {
    const link = this.#links.get(site);
    this.#links.delete(site);
    await link?.[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#links.keys()].map((site) => this.leave(site)));
  }
}

/** The site behind a concrete endpoint. */
export function siteOf(listing: Listing, text: string): string | undefined {
  const endpoint = known(parseEndpoint(text));
  return listing.sites.find(({ endpoints }) => {
    return endpoints.some((each) => isWithin(endpoint, [known(parseEndpoint(each.endpoint))]));
  })?.site;
}

function causeOf(error: Error): string {
  if (error instanceof AggregateError && error.errors[0] instanceof Error) return causeOf(error.errors[0]);
  return error.cause instanceof Error ? causeOf(error.cause) : error.message;
}
