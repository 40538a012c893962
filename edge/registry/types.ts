import type { Grant } from "../../shared/rule/grant.ts";
import type { Mapping } from "../../shared/rule/mapping.ts";
import type { Usage } from "../relay/meter.ts";
import type { TrafficReport } from "../relay/site/traffic-report.ts";

// What the registry tells the rest of the edge. All of it crosses RPC, so it is plain data.

/** Where a public port leads. */
export type Route = {
  site: string;
  /** Name of the site's relay object; it has a generation in it. */
  relay: string;
  /** False until an agent has been there: only agents may create a relay. */
  relaySeen: boolean;
  /** Access, expiry and sources are not judged here: whoever opens streams does. */
  mapping: Mapping;
  /** The grants of this mapping that have not ended: the Worker must not refuse whom they admit. */
  grants: Grant[];
  /** Since when the endpoint is this mapping's and not another's (`scopesFor`). */
  since: number;
  revision: number;
};

/** All that a site's relay has to know. A higher revision replaces a lower one. */
export type SiteRules = {
  site: string;
  revision: number;
  mappings: Mapping[];
  /** By id, since when an endpoint that was another mapping's is this one's (`scopesFor`); absent from what older versions stored. */
  reassigned?: Readonly<Record<string, number>>;
  grants: Grant[];
  /** `jti` of revoked tokens that would otherwise still be good at this site. */
  revoked: string[];
};

/** A public key that verifies tokens. */
export type PublicKey = { kid: string; kty: "OKP"; crv: "Ed25519"; x: string; alg: "EdDSA"; use: "sig" };

/**
 * Whom to believe: the keys, and the edge's URLs, the canonical one first. No URL: nobody has logged in yet. `latest`: when the
 * latest token was issued, in milliseconds since 1970; one from before is not early, however late our clock says it is.
 */
export type Trust = { keys: PublicKey[]; issuers: string[]; latest?: number };

export type TokenState = "live" | "revoked" | "unknown";

/** How a site does, told by its relay. */
export type SiteReport = { site: string; usage: Usage; traffic: TrafficReport };

/** A finished or refused connection. */
export type ConnectionRecord = {
  /** Milliseconds since 1970: when it came, and when it ended. */
  at: number;
  ended: number;
  site: string;
  /** Null when no mapping was found. */
  mapping: number | null;
  endpoint: string;
  /** Empty when it was refused before a target was known. */
  target: string;
  visitor: string;
  bytesIn: number;
  bytesOut: number;
  /** `lost`: the path broke; `cut`: the rule behind it was removed. */
  outcome: "done" | "refused" | "reset" | "lost" | "cut";
  /** A stream code of docs/protocol.md section 8, or empty. */
  code: string;
  reason: string;
  /** What the logs of both ends call the stream; absent where there never was one. */
  ref?: string;
  /** So many like it that came within the same second, this one included; absent: 1. */
  count?: number;
};
