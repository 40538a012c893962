import type { Failure } from "../shared/wire/errors.ts";
import { noDrops } from "../shared/session/flow.ts";
import type { Transport } from "../shared/address/endpoint.ts";
import type { Traffic } from "../link/carry.ts";

/** Counts of one transport since the program started. `in` is from visitors. */
export type TransportCounts = { opened: number; ended: number; bytesIn: number; bytesOut: number };

/** The counters of a program's listeners. `transports` includes the bytes of open streams. */
export class Counts {
  /** Datagrams dropped here, by reason. */
  readonly drops = noDrops();
  /** Streams and flows refused or ended early, by code. */
  readonly failures = new Map<string, number>();
  readonly #ended: Record<Transport, TransportCounts> = { tcp: none(), udp: none() };
  readonly #open = new Map<Traffic, Transport>();

  /** Counts a new stream or flow. Add its bytes to the result as they pass. */
  begin(transport: Transport): Traffic {
    const traffic = { bytesIn: 0, bytesOut: 0 };
    this.#ended[transport].opened += 1;
    this.#open.set(traffic, transport);
    return traffic;
  }

  end(traffic: Traffic, failure: Failure | null): void {
    const transport = this.#open.get(traffic);
    if (transport === undefined) return;
    this.#open.delete(traffic);
    add(this.#ended[transport], traffic);
    this.#ended[transport].ended += 1;
    if (failure !== null) this.failures.set(failure.code, (this.failures.get(failure.code) ?? 0) + 1);
  }

  get transports(): Record<Transport, TransportCounts> {
    const counts = { tcp: { ...this.#ended.tcp }, udp: { ...this.#ended.udp } };
    for (const [traffic, transport] of this.#open) add(counts[transport], traffic);
    return counts;
  }
}

function none(): TransportCounts {
  return { opened: 0, ended: 0, bytesIn: 0, bytesOut: 0 };
}

function add(counts: TransportCounts, { bytesIn, bytesOut }: Traffic): void {
  counts.bytesIn += bytesIn;
  counts.bytesOut += bytesOut;
}
