import { parseAddress } from "../shared/address/address.ts";
import type { Cut } from "../shared/wire/control.ts";
import type { DialOptions } from "../shared/wire/dial-options.ts";
import { streamCode, type Failure } from "../shared/wire/errors.ts";
import type { Dial } from "../shared/wire/open.ts";
import { sourcesOf } from "../shared/rule/parsed.ts";
import { type Door, staysOpen } from "../shared/rule/policy.ts";
import { splitHostPort } from "../shared/address/socket-address.ts";
import type { Stream } from "../shared/session/stream.ts";

type Served = { dial: Dial; options: DialOptions };

/** The limits on streams that only an agent can enforce: the relay forwards the streams of clients and gateways and keeps no record of them. */
export class Admission {
  readonly #served = new Map<Stream, Served>();
  readonly #byMapping = new Map<number, number>();
  readonly #byToken = new Map<string, number>();
  /** Open TCP connections by the visitor's address: TCP's handshake shows that such an address is not forged. */
  readonly #byVisitor = new Map<string, number>();

  /** Counts a stream. Returns the failure if it exceeds a limit, else null. Call `leave` at its end in both cases. */
  enter(stream: Stream, dial: Dial, options: DialOptions): Failure | null {
    this.#served.set(stream, { dial, options });
    const ofMapping = count(this.#byMapping, dial.mapping, 1);
    const ofToken = count(this.#byToken, dial.token, 1);
    if (dial.kind !== "udp") count(this.#byVisitor, hostOf(dial.visitor), 1);
    if (options.maxStreams !== undefined && ofMapping > options.maxStreams) {
      return { code: "too-many", reason: `${options.maxStreams} streams of this mapping are open already` };
    }
    if (options.tokenStreams !== undefined && ofToken > options.tokenStreams) {
      return { code: "too-many", reason: `${options.tokenStreams} streams of this token are open already` };
    }
    return null;
  }

  leave(stream: Stream): void {
    const served = this.#served.get(stream);
    if (served === undefined) return;
    this.#served.delete(stream);
    count(this.#byMapping, served.dial.mapping, -1);
    count(this.#byToken, served.dial.token, -1);
    if (served.dial.kind !== "udp") count(this.#byVisitor, hostOf(served.dial.visitor), -1);
  }

  /** Tells whether the visitor's address has a TCP connection here, which a forged address could not have. */
  isProved(visitor: string): boolean {
    return this.#byVisitor.has(hostOf(visitor));
  }

  /** Resets the streams that a removed rule, token or grant allowed, except those that the rule's new version (`keep`) allows. */
  cut(cut: Cut): void {
    const failure: Failure = { code: streamCode(cut.code), reason: cut.reason };
    const hit = [...this.#served].filter(([, { dial }]) => {
      return (
        dial.mapping === cut.mapping ||
        (cut.token !== undefined && dial.token === cut.token) ||
        (cut.grant !== undefined && dial.grant === cut.grant)
      );
    });
    if (hit.length === 0) return;
    const { keep } = cut;
    const door = keep === undefined ? undefined : { access: keep.access, sources: sourcesOf(keep) };
    // The map keeps the order of arrival: if `maxStreams` was lowered, the newest streams end.
    let left = keep?.maxStreams ?? Number.POSITIVE_INFINITY;
    for (const [stream, { dial, options }] of hit) {
      if (door !== undefined && isKept(door, dial, options) && left > 0) left -= 1;
      else stream.reset(failure.code, failure.reason);
    }
  }

  /** Resets the streams whose rule, grant or token has expired. `now` in milliseconds since 1970. */
  sweep(now: number): void {
    for (const [stream, { options }] of [...this.#served]) {
      if (options.until !== undefined && options.until <= now)
        stream.reset("expired", "the rule, grant or token behind it has ended");
    }
  }
}

/** Tells whether a changed rule leaves a stream open. Only streams of clients and gateways are judged here: the edge judges its own visitors. */
function isKept(door: Door, { visitor, grant }: Dial, { report, via }: DialOptions): boolean {
  if (report !== true) return true;
  const address = parseAddress(hostOf(visitor));
  return address.ok && staysOpen(door, { address: address.value, via: via ?? "public", granted: grant !== "" });
}

function hostOf(visitor: string): string {
  return splitHostPort(visitor)?.host ?? visitor;
}

/** Adds `by` to a count, deletes the count at zero, and returns it. */
function count<K>(counts: Map<K, number>, key: K, by: number): number {
  const now = (counts.get(key) ?? 0) + by;
  if (now > 0) counts.set(key, now);
  else counts.delete(key);
  return now;
}
