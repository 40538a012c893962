import type { Address } from "../../../shared/address/address.ts";
import type { Caps } from "../../../shared/rule/claims.ts";
import type { Opens } from "../../../shared/rule/opens.ts";
import type { Attachment } from "../lanes/attachment.ts";

/** The token of a client or a gateway, as its lane has it. */
export type LaneToken = { readonly pass: Attachment; readonly opens: Opens };

/**
 * What a visitor comes with. `judged`: a token that the Worker has found to open the endpoint of that mapping. `lane`: the token of
 * the client or gateway that opens the stream.
 */
export type Credential =
  | { readonly kind: "public" }
  | {
      readonly kind: "judged";
      readonly token: string;
      readonly caps: Caps;
      readonly mapping: number;
      /** When it ends, in milliseconds since 1970; null: it is ended by the revocation that the Worker asks for. */
      readonly until: number | null;
    }
  | ({ readonly kind: "lane" } & LaneToken);

/** Someone at a door. `address` is undefined where it isn't known. */
export type Visit = {
  /** A concrete endpoint: one port and transport, a URL, a service. */
  readonly endpoint: string;
  readonly address: Address | undefined;
  readonly by: Credential;
};

/** A gateway stands for the public: its token opens ports, not what is mapped to them. */
export function viaOf(by: Credential): "public" | "token" {
  return by.kind === "judged" || (by.kind === "lane" && by.pass.kind === "client") ? "token" : "public";
}

/** `jti` of the token behind a visit; "" without one. */
export function tokenOf(by: Credential): string {
  return by.kind === "judged" ? by.token : by.kind === "lane" ? by.pass.jti : "";
}

export function capsOf(by: Credential): Caps {
  return by.kind === "judged" ? by.caps : by.kind === "lane" ? (by.pass.caps ?? {}) : {};
}
