import type { Caps } from "../../../shared/claims.ts";
import { withoutCredentials } from "../../../shared/http-credentials.ts";
import { forwardedHeaders } from "../../../shared/http-forwarded.ts";
import {
  encodeRequestHead,
  sizeOfHeaders,
  utf8Bytes,
  type Framing,
  type RequestHead,
} from "../../../shared/http-head.ts";
import { requestHeaders } from "../../../shared/http-headers.ts";
import { MAX_HEAD, MAX_HEADERS } from "../../../shared/http-limits.ts";
import { RECORD, RECORD_HEADER, writeRecordHeader } from "../../../shared/http-record.ts";
import type { Failure } from "../../../shared/errors.ts";
import { TYPE } from "../../../shared/frame.ts";
import type { Mapping } from "../../../shared/mapping.ts";
import { encodeFields } from "../../../shared/fields.ts";
import { encodeDial } from "../../../shared/open.ts";
import { splitHostPort } from "../../../shared/socket-address.ts";
import { errorPage, newRequestId } from "../../http-error.ts";
import { limitsOf, type Doorman, type DoormanHost } from "./tcp.ts";
import { Exchange } from "./http-exchange.ts";
import { upload } from "./http-upload.ts";
import type { HttpVisit } from "./http-visit.ts";
import { requestLane } from "../lanes/lane-choice.ts";
import { Severing } from "./severing.ts";
import type { LiveStream } from "../types.ts";

/** Lets requests at the site's hosts in, as the doorman does connections at its ports. */
export class HttpDoor {
  readonly #host: DoormanHost;
  readonly #doorman: Doorman;
  readonly #trustCf: boolean;
  readonly #boot: string;
  readonly #severing = new Severing();

  /** `boot`: of the relay; requests are marked by it, so that those that come back are known. */
  constructor(host: DoormanHost, doorman: Doorman, boot: string, trustCf: boolean) {
    this.#host = host;
    this.#doorman = doorman;
    this.#boot = boot;
    this.#trustCf = trustCf;
  }

  /** The life of one request up to the head of its answer; the rest goes on by itself. */
  async visit(visit: HttpVisit, request: Request): Promise<Response> {
    // A relay that never had rules may be a moment too early; one that had them never waits.
    if (this.#host.rules.revision < 0) await this.#host.refresh();
    if (!this.#doorman.attended) await this.#host.arrival();
    return this.#enter(visit, request);
  }

  /** For the Worker: resolves when it is to break off the WebSocket that it gave this key. */
  severed(key: string): Promise<void> {
    return this.#severing.due(key);
  }

  #enter(visit: HttpVisit, request: Request): Promise<Response> | Response {
    const at = Date.now();
    const mapping = this.#host.rules.at(visit.endpoint);
    const admitted = this.#doorman.admit(mapping, visit);
    if (!admitted.ok || mapping === undefined) {
      const failure: Failure = admitted.ok ? { code: "no-mapping", reason: "no such mapping" } : admitted.failure;
      return this.#refuse(request, visit, mapping, at, failure);
    }
    // Read once: each look into the platform's headers costs as much as all that is done with them here.
    const received = [...request.headers];
    const passes = passesOf(received);
    const own = `${this.#boot}.${mapping.id}`;
    if (passes.filter((each) => each === own).length >= MOST_PASSES) {
      const failure: Failure = { code: "loop", reason: `${mapping.target} leads back to this endpoint` };
      return this.#refuse(request, visit, mapping, at, failure);
    }
    const head = this.#headOf(visit, request, received, [...passes, own]);
    if (sizeOfHeaders(head.headers) + head.path.length > MAX_HEAD - 1024 || head.headers.length > 2 * MAX_HEADERS) {
      return errorPage({ request, status: 431, id: newRequestId(), code: "head-too-large", site: mapping.site });
    }
    const { agent, grant, source } = admitted;
    const ref = this.#host.records.name();
    const session = this.#host.ingress.session(agent.number);
    const init = { mapping: mapping.id, kind: 3, lane: requestLane(agent) };
    const stream = session.open(TYPE.DIAL, dialOf(mapping, visit, grant, ref), init);
    const live: LiveStream = {
      ref,
      at,
      mapping: mapping.id,
      endpoint: visit.endpoint,
      target: mapping.target,
      visitor: visit.visitor,
      agent: agent.identity,
      bytesIn: 0,
      bytesOut: 0,
    };
    const end = ({ code, reason }: Failure): void => stream.reset(code, reason);
    this.#doorman.enter(live, { source, grant, token: visit.token, caps: visit.caps, until: visit.until, end });
    this.#host.ingress.keepTime();

    const upgrade = head.upgrade ? { source, begin: () => this.#severing.begin(visit.key) } : null;
    const exchange = new Exchange(stream, request, upgrade, live, (failure, id) => {
      this.#doorman.leave(live);
      this.#write(visit, mapping, at, live, failure, id);
    });
    if (head.framing === "none" && !head.upgrade) {
      // All there is to say, in one frame.
      const chunk = encodeRequestHead(head, RECORD_HEADER);
      writeRecordHeader(chunk, chunk.byteLength - RECORD_HEADER, RECORD.END, 0);
      stream.write(chunk);
      stream.finish();
    } else {
      stream.write(encodeRequestHead(head));
      if (request.body !== null && !head.upgrade) void upload(request.body, head, exchange, stream, live);
    }
    return exchange.response;
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

  #refuse(request: Request, visit: HttpVisit, mapping: Mapping | undefined, at: number, failure: Failure): Response {
    const id = newRequestId();
    this.#write(visit, mapping, at, { bytesIn: 0, bytesOut: 0 }, failure, id);
    const since = failure.code === "no-agent" ? this.#host.offlineSince() : null;
    return errorPage({ request, id, code: failure.code, site: mapping?.site ?? "", since });
  }

  #write(
    visit: HttpVisit,
    mapping: Mapping | undefined,
    at: number,
    tally: { bytesIn: number; bytesOut: number; ref?: string },
    failure: Failure | null,
    id: string,
  ): void {
    const told =
      failure === null
        ? null
        : { ...failure, reason: id === "" ? failure.reason : `${failure.reason} [request ${id}]` };
    this.#doorman.write(visit, mapping, at, tally, told);
  }
}

/** As RFC 8586 has it for CDN-Loop, whose name a visitor or another proxy may use for its own. */
const LOOP_HEADER = "x-sallyport-via";
/** Boot of a relay, and the mapping. */
const MARK = /^[0-9a-f]{16}\.\d+$/;
/** Times a request may pass the same endpoint: a service may well ask itself for something by its public name. */
const MOST_PASSES = 3;
/** Marks that are passed on: more edges in a row than anybody has. */
const MAX_MARKS = 30;

/** The marks of edges like this one; others are not ours to pass on. */
function passesOf(received: readonly [string, string][]): string[] {
  const header = received.find(([name]) => name === LOOP_HEADER)?.[1];
  if (header === undefined) return [];
  const parts = header.split(",").map((part) => part.trim());
  return parts.filter((part) => MARK.test(part)).slice(-MAX_MARKS);
}

/** The part of DIAL that is the same for all visitors, once for each revision of a mapping. */
const fixedParts = new WeakMap<Mapping, Uint8Array>();

function dialOf(mapping: Mapping, { visitor, token, caps }: HttpVisit, grant: string, ref: string): Uint8Array {
  const isUsual = caps.streams === undefined;
  const fixed = (isUsual ? fixedParts.get(mapping) : undefined) ?? fixedPart(mapping, caps);
  if (isUsual) fixedParts.set(mapping, fixed);
  const own = encodeFields({ 5: visitor, 7: token || undefined, 8: grant || undefined, 10: ref });
  const dial = new Uint8Array(fixed.byteLength + own.byteLength);
  dial.set(fixed);
  dial.set(own, fixed.byteLength);
  return dial;
}

function fixedPart(mapping: Mapping, caps: Caps): Uint8Array {
  const { endpoint, http, id, target } = mapping;
  const prefix = http?.prefix === "strip" ? endpoint.replace(/^https?:\/\/[^/]*/, "") : "";
  const options = JSON.stringify({ ...http, prefix, ...limitsOf(mapping, caps) });
  const unsaid = { visitor: "", token: "", grant: "", hops: 0, ref: "" };
  return encodeDial({ target, kind: "http", mapping: id, endpoint, options, ...unsaid });
}
