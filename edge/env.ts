/** The Worker's bindings: from wrangler.toml on Cloudflare, from `sallyport serve` when self-hosted. */
export interface Env {
  /** For typed stubs see relay/stub.ts and registry/stub.ts. */
  RELAY: DurableObjectNamespace;
  REGISTRY: DurableObjectNamespace;
  /** The admin secret. Without it the edge answers only how to set it up. */
  ADMIN_SECRET?: string;
  /** The edge's canonical URL, if `--public-url` sets it. */
  PUBLIC_URL?: string;
  /** "1" when self-hosted. */
  SELF_HOSTED?: string;
  /** Grace period in seconds that sessions outlive their lanes: 0 to 600, by default 60. */
  GRACE_SECONDS?: string;
  /** Port list of the edge's own TCP ports; self-hosted only. */
  TCP_PORTS?: string;
  /** Port lists that the gateway inside `sallyport serve` may open; self-hosted only. */
  GATEWAY_TCP?: string;
  GATEWAY_UDP?: string;
  /** The `sallyport serve` command in use, without --tcp. Errors print it with the port that is missing. */
  SERVE_HINT?: string;
  /** Comma-separated CIDRs of proxies whose X-Forwarded-* headers are trusted. */
  TRUSTED_PROXIES?: string;
  /** Webhook to notify when a site goes offline or comes back, or a mapping or token is about to expire. May be a secret. */
  WEBHOOK_URL?: string;
  /** Limits on the journal: number of connections, number of audit entries, and days of both. */
  LOG_KEEP?: string;
  AUDIT_KEEP?: string;
  KEEP_DAYS?: string;
  /** "1": HTTP mappings are allowed on the edge's own host, which then has no cookies and no dashboard. */
  SHARE_CONTROL_HOST?: string;
}
