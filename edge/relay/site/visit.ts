import type { Address } from "../../../shared/address/address.ts";
import type { Caps } from "../../../shared/rule/claims.ts";
import type { Opens } from "../../../shared/rule/opens.ts";
import type { Attachment } from "../lanes/attachment.ts";

/** The token of a client or a gateway, from its lane. */
export type LaneToken = { readonly pass: Attachment; readonly opens: Opens };

/**
 * A visitor's credential. `judged`: a token that the Worker has checked and that opens the endpoint of `mapping`. `lane`: the token
 * of the client or gateway that opens the stream.
 */
export type Credential =
  | { readonly kind: "public" }
  | {
      readonly kind: "judged";
      readonly token: string;
      readonly caps: Caps;
      readonly mapping: number;
      /** When it expires, in milliseconds since 1970; null for a raw WebSocket, which the Worker itself ends. */
      readonly until: number | null;
    }
  | ({ readonly kind: "lane" } & LaneToken);

/** A visitor's request to open an endpoint. `address` is undefined where it isn't known. */
export type Visit = {
  /** A concrete endpoint: one port and transport, a URL, a service. */
  readonly endpoint: string;
  readonly address: Address | undefined;
  readonly by: Credential;
};

/** Returns how a visitor comes, by token or as the public. Visitors of a gateway are the public: its token only lets it listen on ports. */
export function viaOf(by: Credential): "public" | "token" {
  return by.kind === "judged" || (by.kind === "lane" && by.pass.kind === "client") ? "token" : "public";
}

/** Returns the `jti` of a visit's token; "" without one. */
export function tokenOf(by: Credential): string {
  return by.kind === "judged" ? by.token : by.kind === "lane" ? by.pass.jti : "";
}

export function capsOf(by: Credential): Caps {
  return by.kind === "judged" ? by.caps : by.kind === "lane" ? (by.pass.caps ?? {}) : {};
}
