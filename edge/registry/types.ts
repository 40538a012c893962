import type { Grant } from "../../shared/rule/grant.ts";
import type { Mapping } from "../../shared/rule/mapping.ts";
import type { Usage } from "../relay/meter.ts";
import type { TrafficReport } from "../relay/site/traffic-report.ts";

// Types that the registry exchanges with the rest of the edge. They cross RPC, so they are plain data.

/** The mapping and the relay that an endpoint leads to. */
export type Route = {
  site: string;
  /** Name of the site's relay object, including its generation. */
  relay: string;
  /** False until an agent has connected to the relay: only agents may create a relay. */
  relaySeen: boolean;
  /** Its access, expiry and sources are not checked yet; the caller of `route` checks them. */
  mapping: Mapping;
  /** The mapping's grants that have not ended, so that the Worker does not refuse the addresses that they admit. */
  grants: Grant[];
  /** When the endpoint became this mapping's, after an earlier one (`scopesFor`); 0 if there was none. */
  since: number;
  revision: number;
};

/** The rules that a site's relay enforces. A higher revision replaces a lower one. */
export type SiteRules = {
  site: string;
  revision: number;
  mappings: Mapping[];
  /**
   * By mapping id, when the mapping took over its endpoint from an earlier one (`scopesFor`); absent in rules stored by older
   * versions.
   */
  reassigned?: Readonly<Record<string, number>>;
  grants: Grant[];
  /** `jti` of revoked tokens that would otherwise be valid at this site. */
  revoked: string[];
};

/** A public key that verifies tokens. */
export type PublicKey = { kid: string; kty: "OKP"; crv: "Ed25519"; x: string; alg: "EdDSA"; use: "sig" };

/**
 * The keys and issuers that tokens are verified against. `issuers`: the edge's URLs, the canonical one first; empty before the first
 * login. `latest`: when the latest token was issued, in milliseconds since 1970. A token issued no later is not refused as issued in
 * the future, even if the edge's clock was set back.
 */
export type Trust = { keys: PublicKey[]; issuers: string[]; latest?: number };

export type TokenState = "live" | "revoked" | "unknown";

/** A relay's report on its site. */
export type SiteReport = { site: string; usage: Usage; traffic: TrafficReport };

/** A finished or refused connection. */
export type ConnectionRecord = {
  /** Start and end, in milliseconds since 1970. */
  at: number;
  ended: number;
  site: string;
  /** Null when no mapping was found. */
  mapping: number | null;
  endpoint: string;
  /** Empty if it was refused before a target was chosen. */
  target: string;
  visitor: string;
  bytesIn: number;
  bytesOut: number;
  /** `lost`: the path broke. `cut`: the rule, grant or token that allowed it ended. */
  outcome: "done" | "refused" | "reset" | "lost" | "cut";
  /** A stream code of docs/protocol.md section 8, or empty. */
  code: string;
  reason: string;
  /** Name of the stream in the logs of both ends; absent if no stream was opened. */
  ref?: string;
  /** Number of equal connections within the same second, this one included; absent for 1. */
  count?: number;
};
