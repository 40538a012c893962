import { CongestionControl } from "./congestion-control.ts";
import { DATAGRAM_DEADLINE_MS } from "../wire/limits.ts";
import { FLAG_ACK } from "../wire/frame.ts";
import { QueueingDelay } from "./queueing-delay.ts";

// The offset of a DGRAM (docs/protocol.md section 3.2): below TIMED the datagram's age in microseconds; from there on when it
// was sent, in microseconds of the sender's own clock, times 256, and its age at that time in milliseconds; FULL says that the
// sender has more to send than may be on its way.

const TIMED = 2 ** 24;
const AGES = 256;
const FULL = 128;
/** Added to a clock, so that a process that has just started does not say ages. */
const CLOCK_OFFSET = TIMED / AGES;
const CLOCK_MODULUS = 2 ** 45;

/** The payload of ARRIVED: milliseconds as u16, 65,535 for more. */
export function encodeWaited(ms: number): Uint8Array {
  const whole = Math.min(0xffff, Math.round(ms));
  return Uint8Array.of(whole >> 8, whole & 0xff);
}

/** What one says that says nothing of it is 0. */
export function decodeWaited(payload: Uint8Array): number {
  return ((payload[0] ?? 0) << 8) | (payload[1] ?? 0);
}

/** What is known of the datagrams of one session: what is on its way, and how late what comes is. */
export class Datagrams {
  /** True when the far end reads times, and answers those it is asked to. */
  timed = false;
  readonly #congestion = new CongestionControl();
  readonly #queueing = new QueueingDelay();
  readonly #isUp: () => boolean;

  /** `isUp`: whether frames get through. */
  constructor(isUp: () => boolean) {
    this.#isUp = isUp;
  }

  /** Whether one may be sent now, or has to wait where it can still be dropped. `now` in milliseconds. */
  maySend(now: number): boolean {
    return this.#isUp() && (!this.timed || this.#congestion.maySend(now));
  }

  /** Whether one of a flow that has nothing waiting may be sent now, though others have to wait. */
  mayOvertake(now: number): boolean {
    return this.timed && this.#isUp() && this.#congestion.mayOvertake(now);
  }

  /** Whether one that has waited here for `age` milliseconds would come too late, as far as it is known. */
  isLate(age: number, now: number): boolean {
    const delay = this.timed ? this.#congestion.delay(now) : 0;
    // Beyond the deadline it is one of those by which a path that stands still is tried.
    const isKnown = delay <= DATAGRAM_DEADLINE_MS;
    return age + (isKnown ? delay : 0) > DATAGRAM_DEADLINE_MS;
  }

  /** One of so many bytes, and an age in milliseconds, is sent now. Answers what its frame says. */
  sent(bytes: number, age: number, now: number): { offset: number; flags: number } {
    if (!this.timed) return { offset: Math.round(age * 1000), flags: 0 };
    const time = (Math.floor(now * 1000) + CLOCK_OFFSET) % CLOCK_MODULUS;
    const isAsked = this.#congestion.sent(bytes, now, time);
    const full = this.#congestion.isFull(now) ? FULL : 0;
    const offset = time * AGES + full + Math.min(FULL - 1, Math.round(age));
    return { offset, flags: isAsked ? FLAG_ACK : 0 };
  }

  /** One with this offset has come. Answers its age in milliseconds, and how long of it it waited on the way; and the name by which it may be echoed. */
  arrived(offset: number, now: number): { age: number; waited: number; name: number } {
    if (offset < TIMED) return { age: offset / 1000, waited: 0, name: 0 };
    // An end that says times reads them, too.
    this.timed = true;
    const name = Math.floor(offset / AGES);
    const said = offset % AGES;
    const waited = this.#queueing.measure(name / 1000, now, said >= FULL);
    return { age: (said % FULL) + waited, waited, name };
  }

  /** The far end has all that was sent up to this one, which had waited on the way for so many milliseconds. */
  echoed(name: number, waited: number, now: number): void {
    this.#congestion.echoed(name, waited, now);
  }
}
