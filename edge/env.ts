/** What the Worker is given: by wrangler.toml on Cloudflare, by the launcher when self-hosted. */
export interface Env {
  /** What they answer is known where they are: relay/stub.ts and registry/stub.ts. */
  RELAY: DurableObjectNamespace;
  REGISTRY: DurableObjectNamespace;
  /** The first admin secret. Without it the edge only says what to do. */
  ADMIN_SECRET?: string;
  /** Canonical URL, when the launcher fixes it. */
  PUBLIC_URL?: string;
  /** "1" under the launcher. */
  SELF_HOSTED?: string;
  /** Seconds that streams outlive the connections they were carried by: 0 to 600, 60 if it is not said. */
  GRACE_SECONDS?: string;
  /** PORTS the Worker itself owns, self-hosted only. */
  TCP_PORTS?: string;
  /** PORTS that the launcher's gateway may open, self-hosted only. */
  GATEWAY_TCP?: string;
  GATEWAY_UDP?: string;
  /** The launcher's own command without --tcp: errors print the command that would hold a port. */
  SERVE_HINT?: string;
  /** CIDRs, comma separated, whose X-Forwarded-* are believed. */
  TRUSTED_PROXIES?: string;
  /** Where to tell that a site is offline or back, or that a mapping or a token is about to end. Perhaps a secret. */
  WEBHOOK_URL?: string;
  /** How much of the past is kept: connections, entries of the audit, days of either. */
  LOG_KEEP?: string;
  AUDIT_KEEP?: string;
  KEEP_DAYS?: string;
  /** "1": HTTP mappings are allowed on the edge's own host, which then has no cookies and no dashboard. */
  SHARE_CONTROL_HOST?: string;
}
