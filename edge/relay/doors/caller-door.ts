import { parseAddress, type Address } from "../../../shared/address/address.ts";
import { Bucket } from "../../../shared/bucket.ts";
import type { Report } from "../../../shared/wire/control.ts";
import { streamCode, type Failure } from "../../../shared/wire/errors.ts";
import { encodeFrame, TYPE, type Frame } from "../../../shared/wire/frame.ts";
import { OPEN_BURST, OPENS_PER_SECOND } from "../../../shared/wire/limits.ts";
import { decodeOpen, encodeFailure, type Open } from "../../../shared/wire/open.ts";
import { refuseRecords } from "../../../shared/wire/resume.ts";
import { bracketed, formatSocketAddress, parseSocketAddress } from "../../../shared/address/socket-address.ts";
import type { Attachment } from "../lanes/attachment.ts";
import type { Lane } from "../lanes/lane.ts";
import { laneOf, type End } from "../lanes/lanes.ts";
import { admit, mayResume, type Refused } from "../site/admission.ts";
import { dialStream } from "../site/dial.ts";
import { sendRoutes } from "../site/routes.ts";
import type { Site } from "../site/site.ts";
import type { Visit } from "../site/visit.ts";

/** The door of clients and gateways: admits their streams, which the relay then forwards. Synchronous: with one await, DATA overtakes OPEN. */
export class CallerDoor {
  readonly #site: Site;
  /** Limits the new streams a second of each caller: judging an OPEN costs more than sending it. */
  readonly #opens = new WeakMap<End, Bucket>();

  constructor(site: Site) {
    this.#site = site;
  }

  /** Handles an OPEN: forwards it as DIAL, or answers REJECT. */
  open(lane: Lane, frame: Frame): void {
    const { attachment, opens } = lane;
    const channel = attachment.ready?.number ?? 0;
    const where = { lane: frame.lane, channel, slot: frame.slot, stream: frame.stream };
    const reject = (failure: Failure, mayRetry = false): void =>
      lane.send(encodeFrame({ type: TYPE.REJECT, ...where }, encodeFailure({ ...failure, mayRetry })));
    if (!this.#mayOpen(channel))
      return reject({ code: "busy", reason: `more than ${OPENS_PER_SECOND} new streams a second` });
    const open = decodeOpen(frame.payload);
    const visitor = visitorOf(attachment, open);
    const visit: Visit = {
      endpoint: open.endpoint,
      address: visitor?.address,
      by: { kind: "lane", pass: attachment, opens },
    };
    const admitted = admit(this.#site, visit, Date.now(), frame.slot);
    if (admitted.ok) {
      const named = { visitor: visitor?.text ?? "", ref: this.#site.records.name() };
      const dial = encodeFrame({ type: TYPE.DIAL, offset: frame.offset, ...where }, dialStream(admitted, visit, named));
      laneOf(admitted.agent, frame.lane)?.send(dial);
      return;
    }
    // The caller named the wrong agent: new ROUTES let it find the right one.
    const isElsewhere = admitted.failure.code === "slot-gone";
    if (isElsewhere) sendRoutes(this.#site, lane);
    reject(admitted.failure, isElsewhere);
    this.#write(attachment, open.endpoint, visitor?.text, admitted);
  }

  /** Marks in a RESUME, in place, the streams that are no longer allowed, so that the agent and the caller end them. */
  resume({ attachment: pass, opens }: Lane, frame: Frame): void {
    const now = Date.now();
    refuseRecords(frame.payload, ({ mapping }) => mayResume(this.#site, { pass, opens }, mapping, now));
  }

  /** Records an agent's report on how a stream of a caller ended. Only mappings of its own site count, and times are by the edge's clock. */
  report({ token: _token, at, ended, code, ...record }: Report, site: string): void {
    const now = Date.now();
    const { rules, cuts, traffic, records } = this.#site;
    if (rules.byId(record.mapping) === undefined && !cuts.has(record.mapping, now)) return;
    const lasted = Math.min(now, Math.max(0, ended - at));
    traffic.add(record.mapping, record.bytesIn, record.bytesOut);
    records.add({ ...record, code: code === "" ? "" : streamCode(code), site, at: now - lasted, ended: now });
  }

  #mayOpen(channel: number): boolean {
    const end = this.#site.lanes.caller(channel);
    if (end === undefined) return false;
    const bucket = this.#opens.get(end) ?? new Bucket(OPENS_PER_SECOND, OPEN_BURST);
    this.#opens.set(end, bucket);
    return bucket.take(Date.now());
  }

  #write({ site, address }: Attachment, endpoint: string, visitor: string | undefined, refused: Refused): void {
    const now = Date.now();
    this.#site.records.add({
      at: now,
      ended: now,
      site,
      mapping: refused.at?.mapping.id ?? null,
      endpoint: endpoint.slice(0, 100),
      target: "",
      visitor: visitor ?? address,
      bytesIn: 0,
      bytesOut: 0,
      outcome: "refused",
      code: refused.failure.code,
      reason: refused.failure.reason,
    });
  }
}

/** Returns the visitor of an OPEN. Only a gateway may state one; for a client it is the address of its lane, whatever the OPEN says. */
function visitorOf({ kind, address }: Attachment, open: Open): { address: Address; text: string } | undefined {
  if (kind === "gateway") {
    const stated = parseSocketAddress(open.visitor);
    return stated.ok ? { address: stated.value.address, text: formatSocketAddress(stated.value) } : undefined;
  }
  const own = parseAddress(address);
  return own.ok ? { address: own.value, text: bracketed(own.value.text) } : undefined;
}
