import type { DialOptions } from "../shared/dial-options.ts";
import type { Failure } from "../shared/errors.ts";
import type { Dial } from "../shared/open.ts";
import { splitHostPort } from "../shared/socket-address.ts";
import type { Stream } from "../shared/stream.ts";

type Served = { dial: Dial; options: DialOptions };

/** What only an agent can count of the streams that clients and gateways open: the relay forwards them and forgets. */
export class Admission {
  readonly #served = new Map<Stream, Served>();
  readonly #byMapping = new Map<number, number>();
  readonly #byToken = new Map<string, number>();
  /** Visitors with a TCP connection: their addresses are no forgeries. */
  readonly #byVisitor = new Map<string, number>();

  /** Lets a stream in, or says over which limit it is. Leave with `leave`, whatever the answer. */
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

  /** Whether this visitor has a connection here that a forged address could not have. */
  isProved(visitor: string): boolean {
    return this.#byVisitor.has(hostOf(visitor));
  }

  /** Ends what its rule, grant or token allowed until now only. `now` in milliseconds since 1970. */
  sweep(now: number): void {
    for (const [stream, { options }] of [...this.#served]) {
      if (options.until !== undefined && options.until <= now)
        stream.reset("expired", "the rule, grant or token behind it has ended");
    }
  }
}

function hostOf(visitor: string): string {
  return splitHostPort(visitor)?.host ?? visitor;
}

/** Moves a count and answers it; one that falls to nothing is forgotten. */
function count<K>(counts: Map<K, number>, key: K, by: number): number {
  const now = (counts.get(key) ?? 0) + by;
  if (now > 0) counts.set(key, now);
  else counts.delete(key);
  return now;
}
