import { CongestionControl } from "./congestion-control.ts";
import { DATAGRAM_DEADLINE_MS } from "../wire/limits.ts";
import { FLAG_ACK } from "../wire/frame.ts";
import { QueueingDelay } from "./queueing-delay.ts";

// The offset of a DGRAM (docs/protocol.md section 3.2). Below TIMED it is the datagram's age in microseconds. From TIMED on it
// is the time of sending, in microseconds of the sender's own clock, times 256, plus the age at that time in milliseconds, plus
// FULL if the sender has more to send than may be in flight.

const TIMED = 2 ** 24;
const AGES = 256;
const FULL = 128;
/** Added to the clock, so that a process that has just started doesn't send times that read as ages. */
const CLOCK_OFFSET = TIMED / AGES;
const CLOCK_MODULUS = 2 ** 45;

/** Encodes the payload of ARRIVED: milliseconds as u16, at most 65,535. */
export function encodeWaited(ms: number): Uint8Array {
  const whole = Math.min(0xffff, Math.round(ms));
  return Uint8Array.of(whole >> 8, whole & 0xff);
}

/** Decodes the payload of ARRIVED; 0 if it is absent. */
export function decodeWaited(payload: Uint8Array): number {
  return ((payload[0] ?? 0) << 8) | (payload[1] ?? 0);
}

/** The datagrams of one session: which may be sent now, and how late those are that arrive. */
export class Datagrams {
  /** True when the far end reads send times and answers ACK with ARRIVED. */
  timed = false;
  readonly #congestion = new CongestionControl();
  readonly #queueing = new QueueingDelay();
  readonly #isUp: () => boolean;

  /** `isUp` tells whether the session has a path. */
  constructor(isUp: () => boolean) {
    this.#isUp = isUp;
  }

  /** Whether a datagram may be sent now; else it waits at the sender, where it can still be dropped. `now` in milliseconds. */
  maySend(now: number): boolean {
    return this.#isUp() && (!this.timed || this.#congestion.maySend(now));
  }

  /** Whether a datagram of a flow with nothing waiting may be sent now, although other flows wait. */
  mayOvertake(now: number): boolean {
    return this.timed && this.#isUp() && this.#congestion.mayOvertake(now);
  }

  /** Whether a datagram that has waited here for `age` milliseconds is likely to arrive too late. */
  isLate(age: number, now: number): boolean {
    const delay = this.timed ? this.#congestion.delay(now) : 0;
    // With a delay beyond the deadline nothing gets through: this datagram is a try that may show when the path is back.
    const isKnown = delay <= DATAGRAM_DEADLINE_MS;
    return age + (isKnown ? delay : 0) > DATAGRAM_DEADLINE_MS;
  }

  /** Notes a datagram that is sent now, with its age in milliseconds. Returns offset and flags of its frame. */
  sent(bytes: number, age: number, now: number): { offset: number; flags: number } {
    if (!this.timed) return { offset: Math.round(age * 1000), flags: 0 };
    const time = (Math.floor(now * 1000) + CLOCK_OFFSET) % CLOCK_MODULUS;
    const isAsked = this.#congestion.sent(bytes, now, time);
    const full = this.#congestion.isFull(now) ? FULL : 0;
    const offset = time * AGES + full + Math.min(FULL - 1, Math.round(age));
    return { offset, flags: isAsked ? FLAG_ACK : 0 };
  }

  /**
   * Notes a datagram that arrived with this offset. Returns its age and the part of it that it was queued on the path, in
   * milliseconds, and the name for ARRIVED.
   */
  arrived(offset: number, now: number): { age: number; waited: number; name: number } {
    if (offset < TIMED) return { age: offset / 1000, waited: 0, name: 0 };
    // An end that sends times reads them, too.
    this.timed = true;
    const name = Math.floor(offset / AGES);
    const said = offset % AGES;
    const waited = this.#queueing.measure(name / 1000, now, said >= FULL);
    return { age: (said % FULL) + waited, waited, name };
  }

  /** Takes ARRIVED for the datagram of this name, which was queued on the path for `waited` milliseconds. */
  echoed(name: number, waited: number, now: number): void {
    this.#congestion.echoed(name, waited, now);
  }
}
