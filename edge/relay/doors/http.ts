import { parseAddress } from "../../../shared/address/address.ts";
import type { Failure } from "../../../shared/wire/errors.ts";
import { withoutCredentials } from "../../../shared/http/credentials.ts";
import { forwardedHeaders } from "../../../shared/http/forwarded.ts";
import {
  encodeRequestHead,
  sizeOfHeaders,
  utf8Bytes,
  type Framing,
  type RequestHead,
} from "../../../shared/http/head.ts";
import { requestHeaders } from "../../../shared/http/headers.ts";
import { MAX_HEAD, MAX_HEADERS } from "../../../shared/http/limits.ts";
import { RECORD, RECORD_HEADER, writeRecordHeader } from "../../../shared/http/record.ts";
import { splitHostPort } from "../../../shared/address/socket-address.ts";
import { errorPage, newRequestId } from "../../http-error.ts";
import { requestLane } from "../lanes/lane-choice.ts";
import { admit, type Admitted } from "../site/admission.ts";
import { dialHttp } from "../site/dial.ts";
import type { MappedEndpoint } from "../site/mapped-endpoint.ts";
import type { Site } from "../site/site.ts";
import type { Visit } from "../site/visit.ts";
import type { LiveStream } from "../types.ts";
import { Exchange } from "./http-exchange.ts";
import { upload } from "./http-upload.ts";
import type { HttpVisit } from "./http-visit.ts";
import { openStream } from "./open-stream.ts";
import { WebSocketAborts } from "./websocket-aborts.ts";

/** Lets requests at the site's hosts in. */
export class HttpDoor {
  readonly #site: Site;
  readonly #trustCf: boolean;
  readonly #boot: string;
  readonly #aborts = new WebSocketAborts();

  /** `boot`: of the relay; requests are marked by it, so that those that come back are known. */
  constructor(site: Site, boot: string, trustCf: boolean) {
    this.#site = site;
    this.#boot = boot;
    this.#trustCf = trustCf;
  }

  /** The life of one request up to the head of its answer; the rest goes on by itself. */
  async serve(visit: HttpVisit, request: Request): Promise<Response> {
    await this.#site.ready();
    return this.#enter(visit, request);
  }

  /** For the Worker: resolves when it is to break off the WebSocket that it gave this key. */
  abortDue(key: string): Promise<void> {
    return this.#aborts.due(key);
  }

  #enter(http: HttpVisit, request: Request): Promise<Response> | Response {
    const at = Date.now();
    const visit = visitOf(http);
    const admitted = admit(this.#site, visit, at);
    if (!admitted.ok) return this.#refuse(request, http, admitted.at, at, admitted.failure);
    const { mapping } = admitted.at;
    // Read once: each look into the platform's headers costs as much as all that is done with them here.
    const received = [...request.headers];
    const passes = passesOf(received);
    const own = `${this.#boot}.${mapping.id}`;
    if (passes.filter((each) => each === own).length >= MOST_PASSES) {
      const failure: Failure = { code: "loop", reason: `${mapping.target} leads back to this endpoint` };
      return this.#refuse(request, http, admitted.at, at, failure);
    }
    const head = this.#headOf(http, request, received, [...passes, own]);
    if (sizeOfHeaders(head.headers) + head.path.length > MAX_HEAD - 1024 || head.headers.length > 2 * MAX_HEADERS) {
      return errorPage({ request, status: 431, id: newRequestId(), code: "head-too-large", site: mapping.site });
    }
    return this.#exchange(http, visit, admitted, request, head, at);
  }

  #exchange(
    http: HttpVisit,
    visit: Visit,
    admitted: Admitted,
    request: Request,
    head: RequestHead,
    at: number,
  ): Promise<Response> {
    const { visits, records } = this.#site;
    const { source, at: mapped } = admitted;
    const { mapping } = mapped;
    const live: LiveStream = {
      ref: records.name(),
      at,
      mapping: mapping.id,
      endpoint: http.endpoint,
      target: mapping.target,
      visitor: http.visitor,
      agent: admitted.agent.identity,
      bytesIn: 0,
      bytesOut: 0,
    };
    const isWhole = head.framing === "none" && !head.upgrade;
    return new Promise((resolve) => {
      openStream(this.#site, admitted, visit, live, {
        dial: dialHttp(admitted, visit, live),
        init: { mapping: mapping.id },
        lane: requestLane,
        first: (stream) => {
          if (!isWhole) return stream.write(encodeRequestHead(head));
          // All there is to say, in one frame.
          const chunk = encodeRequestHead(head, RECORD_HEADER);
          writeRecordHeader(chunk, chunk.byteLength - RECORD_HEADER, RECORD.END, 0);
          stream.write(chunk);
          stream.finish();
        },
        begin: (stream) => {
          const upgrade = head.upgrade ? { source, begin: () => this.#aborts.begin(http.key) } : null;
          const exchange = new Exchange(stream, request, upgrade, live, (failure, id) => {
            visits.leave(live);
            this.#write(http, mapped, at, live, failure, id);
          });
          if (!isWhole && request.body !== null && !head.upgrade)
            void upload(request.body, head, exchange, stream, live);
          resolve(exchange.response);
        },
        failed: (failure) => {
          visits.leave(live);
          resolve(this.#refuse(request, http, mapped, at, failure));
        },
      });
    });
  }

  #headOf(
    visit: HttpVisit,
    request: Request,
    received: readonly [string, string][],
    passes: readonly string[],
  ): RequestHead {
    const valueOf = (wanted: string): string | null => received.find(([name]) => name === wanted)?.[1] ?? null;
    const upgrade = valueOf("upgrade")?.toLowerCase() === "websocket";
    const length = valueOf("content-length");
    const framing: Framing = request.body === null || upgrade ? "none" : length === null ? "open" : "length";
    const { scheme, host, port, via } = visit;
    const rules = { trustCf: this.#trustCf, upgrade, expects: framing !== "none", fromProxy: via.length > 0 };
    const carried = requestHeaders(received, valueOf("connection"), rules);
    const asked = { visitor: splitHostPort(visit.visitor)?.host ?? "", scheme, host, port, via };
    const all = [...withoutCredentials(carried), ...forwardedHeaders(asked), LOOP_HEADER, passes.join(", ")];
    for (let at = 1; at < all.length; at += 2) all[at] = utf8Bytes(all[at] ?? "");
    return {
      method: request.method,
      path: utf8Bytes(visit.path),
      host: visit.host,
      scheme: visit.scheme,
      headers: all,
      upgrade,
      framing,
    };
  }

  #refuse(
    request: Request,
    visit: HttpVisit,
    mapped: MappedEndpoint | undefined,
    at: number,
    failure: Failure,
  ): Response {
    const id = newRequestId();
    this.#write(visit, mapped, at, { bytesIn: 0, bytesOut: 0 }, failure, id);
    const since = failure.code === "no-agent" ? this.#site.offlineSince() : null;
    return errorPage({ request, id, code: failure.code, site: mapped?.mapping.site ?? "", since });
  }

  #write(
    visit: HttpVisit,
    mapped: MappedEndpoint | undefined,
    at: number,
    tally: { bytesIn: number; bytesOut: number; ref?: string },
    failure: Failure | null,
    id: string,
  ): void {
    const told =
      failure === null
        ? null
        : { ...failure, reason: id === "" ? failure.reason : `${failure.reason} [request ${id}]` };
    this.#site.visits.write(visit, mapped, at, tally, told);
  }
}

/** As RFC 8586 has it for CDN-Loop, whose name a visitor or another proxy may use for its own. */
const LOOP_HEADER = "x-sallyport-via";
/** Boot of a relay, and the mapping. */
const MARK = /^[0-9a-f]{16}\.\d+$/;
/** Times a request may pass the same endpoint: a service may well ask itself for something by its public name. */
const MOST_PASSES = 3;
/** Marks that are passed on: more than any chain of edges has. */
const MAX_MARKS = 30;

/** The marks of edges like this one; others are not ours to pass on. */
function passesOf(received: readonly [string, string][]): string[] {
  const header = received.find(([name]) => name === LOOP_HEADER)?.[1];
  if (header === undefined) return [];
  const parts = header.split(",").map((part) => part.trim());
  return parts.filter((part) => MARK.test(part)).slice(-MAX_MARKS);
}

function visitOf({ endpoint, visitor, token, judged, caps, until }: HttpVisit): Visit {
  const address = parseAddress(splitHostPort(visitor)?.host ?? "");
  return {
    endpoint,
    address: address.ok ? address.value : undefined,
    by: token === "" ? { kind: "public" } : { kind: "judged", token, caps, mapping: judged, until },
  };
}
