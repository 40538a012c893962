import type { Address } from "../../shared/address/address.ts";
import type { DialOptions } from "../../shared/wire/dial-options.ts";
import type { Failure } from "../../shared/wire/errors.ts";
import { AmplificationGuard, type Drops } from "../../shared/session/flow.ts";
import type { Meanings } from "../../shared/address/target-rule.ts";
import { mayDial, denialReason } from "../../shared/rule/target-policy.ts";
import type { TargetPolicy } from "../policy.ts";
import { truncatedAnswer } from "./dns-truncated.ts";

const DNS = 53;
const TFTP = 69;

export type UdpAnswerFilterOptions = {
  policy: TargetPolicy;
  /** The addresses of the names in `--deny` when the flow began. */
  meanings: Meanings;
  /** The target's host as its mapping names it, and the address and port that were dialled. */
  host: string;
  address: Address;
  port: number;
  guard: DialOptions["guard"];
  drops: Drops;
  /** Tells whether an open TCP connection proves the visitor's address. */
  proved: () => boolean;
};

/** A filter of the answers in one flow. It decides which ones the visitor gets, and to which port of the target's host its datagrams go. */
export class UdpAnswerFilter {
  readonly #options: UdpAnswerFilterOptions;
  readonly #guard: AmplificationGuard;
  #heldBack = { datagrams: 0, bytes: 0 };
  /** Why answers from another port were dropped. */
  #denied: string | null = null;
  #answeringPort: number | null = null;

  constructor(options: UdpAnswerFilterOptions) {
    this.#options = options;
    this.#guard = new AmplificationGuard(options.guard);
  }

  /** Takes a datagram from the visitor. Returns the port of the target's host that it is for; null: the one that was dialled. */
  fromVisitor(bytes: Uint8Array): number | null {
    this.#guard.received(bytes.byteLength);
    // TFTP answers each request from a new port, to which the rest of the transfer goes (RFC 1350 section 4). All other
    // protocols keep using the mapped port: the visitor knows of no other.
    return this.#options.port !== TFTP || isRequest(bytes) ? null : this.#answeringPort;
  }

  /** Takes a datagram from a port of the target's host. Returns what to send to the visitor; null: nothing. */
  fromTarget(bytes: Uint8Array, port: number): Uint8Array | null {
    const { drops } = this.#options;
    if (port !== this.#options.port && !this.#mayAnswer(port)) {
      drops.refused += 1;
      return null;
    }
    if (this.#allows(bytes)) return bytes;
    drops.guard += 1;
    this.#heldBack.datagrams += 1;
    this.#heldBack.bytes += bytes.byteLength;
    const cut = this.#options.port === DNS ? truncatedAnswer(bytes) : null;
    return cut !== null && this.#guard.allows(cut.byteLength) ? cut : null;
  }

  /** Why the flow withheld answers from its visitor; null: it withheld none. */
  get failure(): Failure | null {
    const { datagrams, bytes } = this.#heldBack;
    if (datagrams > 0) {
      const what = `${datagrams} ${datagrams === 1 ? "answer" : "answers"} (${bytes} bytes)`;
      const why = "more than three times what a visitor with an unproven address had sent";
      return {
        code: "denied",
        reason: `${what} held back: ${why}; use --allow-from with its network, or --reflector-ok`,
      };
    }
    return this.#denied === null ? null : { code: "target-denied", reason: this.#denied };
  }

  #mayAnswer(port: number): boolean {
    const { policy, host, address, meanings } = this.#options;
    const allowed = mayDial(policy, { host, address, port }, meanings);
    if (allowed) this.#answeringPort = port;
    else
      this.#denied ??= `answers from port ${port} of ${address.text} were dropped: ${denialReason(policy, address, port, meanings)}`;
    return allowed;
  }

  #allows({ byteLength }: Uint8Array): boolean {
    if (this.#guard.allows(byteLength)) return true;
    if (!this.#options.proved()) return false;
    this.#guard.prove();
    return this.#guard.allows(byteLength);
  }
}

/** A read or write request of TFTP. */
function isRequest(bytes: Uint8Array): boolean {
  return bytes[0] === 0 && (bytes[1] === 1 || bytes[1] === 2);
}
