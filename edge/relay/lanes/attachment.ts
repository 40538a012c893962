import type { Demand } from "../../../shared/session/division.ts";
import type { Caps } from "../../../shared/rule/claims.ts";

// What a relay must know of a lane after hibernation (docs/protocol.md section 7). Kept in the socket; 16 KiB at most.

/** Header by which the Worker hands a verified lane over. Requests reach a relay through its binding only. */
export const PASS_HEADER = "x-sallyport-pass";

/** What an agent says of its own rules, as in HELLO. */
export type RuleTexts = { readonly allow: readonly string[]; readonly deny: readonly string[] };

/** Set by the Worker, which has verified the token: a relay is reached through its binding only. */
export type LanePass = {
  kind: "agent" | "client" | "gateway";
  site: string;
  identity: string;
  jti: string;
  /** Seconds since the epoch. */
  expires: number;
  /** The token has lapsed: its holder may renew it, and nothing else. */
  renewOnly?: boolean | undefined;
  /** Address of the end. */
  address: string;
  /** When a visitor's token was issued, in seconds since 1970; null for other kinds. */
  issued?: number | null | undefined;
  /** Targets of an agent's token, as in its claims. */
  targets?: readonly string[] | undefined;
  /** Scope of visitor and gateway tokens, as in their claims. */
  endpoints?: "*" | readonly string[] | undefined;
  from?: readonly string[] | undefined;
  caps?: Caps | undefined;
};

export type Attachment = LanePass & {
  /** Milliseconds since the epoch. */
  since: number;
  /** What its end has asked for on it. */
  demand?: Demand | undefined;
  /** This relay has closed it, and its end has not answered. */
  closed?: boolean | undefined;
  /** Its process waits until another one with the same token is gone. */
  standby?: boolean | undefined;
  /** What an agent has said of its own rules: here, or in the relay's storage. */
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
    /** Bytes of the largest DATA frame it takes. */
    frameBytes: number;
  } | null;
};

export function attachmentOf(socket: WebSocket): Attachment {
  return socket.deserializeAttachment() as Attachment;
}
