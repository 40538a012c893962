import type { Caps } from "../../../shared/rule/claims.ts";
import type { StoredDemand } from "./stored-demand.ts";

// The state of a lane that survives hibernation, stored in its socket: 16 KiB at most (docs/protocol.md section 7). Keys never change.

/** Header by which the Worker hands a verified lane over. Requests reach a relay through its binding only. */
export const PASS_HEADER = "x-sallyport-pass";

/** An agent's own rules as texts, as reported in HELLO. */
export type RuleTexts = { readonly allow: readonly string[]; readonly deny: readonly string[] };

/** What the Worker knows about a lane whose token it has verified. Trusted, as a relay is reached through its binding only. */
export type LanePass = {
  kind: "agent" | "client" | "gateway";
  site: string;
  identity: string;
  jti: string;
  /** Seconds since the epoch. */
  expires: number;
  /** The token has expired: its holder may renew it, and nothing else. */
  renewOnly?: boolean | undefined;
  /** IP address that the end dialled from. */
  address: string;
  /** When a visitor token was issued, in seconds since 1970; null for other kinds. */
  issued?: number | null | undefined;
  /** Targets of an agent token, as in its claims. */
  targets?: readonly string[] | undefined;
  /** Scope of visitor and gateway tokens, as in their claims. */
  endpoints?: "*" | readonly string[] | undefined;
  from?: readonly string[] | undefined;
  caps?: Caps | undefined;
};

export type Attachment = LanePass & {
  /** Milliseconds since the epoch. */
  since: number;
  /** The demand that its end has reported on it. */
  demand?: StoredDemand | undefined;
  /** This relay has closed it, and its end has not answered the close. */
  closed?: boolean | undefined;
  /** Its process stands by until another one with the same token has left. */
  standby?: boolean | undefined;
  /** Rules that an agent has reported; "stored" when they are too long and kept in the relay's storage. */
  said?: RuleTexts | "stored" | undefined;
  /** Null until HELLO. */
  ready: {
    boot: string;
    epoch: number;
    /** Slot of an agent, channel of a caller. */
    number: number;
    incarnation: string;
    lane: number;
    version: string;
    /** Bytes of the largest DATA frame that its end accepts. */
    frameBytes: number;
  } | null;
};

export function attachmentOf(socket: WebSocket): Attachment {
  return socket.deserializeAttachment() as Attachment;
}
