import type { Ports } from "../../shared/address/ports.ts";
import type { SocketAddress } from "../../shared/address/socket-address.ts";
import type { Address } from "./address.ts";
import type { TlsFiles } from "./tls.ts";

/** What `sallyport serve` was asked for, read and checked. */
export type ServeOptions = {
  data: string;
  listen: Address;
  publicUrl: string | null;
  bind: string;
  tcp: Ports;
  /** The ports that the built-in gateway may open when a mapping needs them. */
  gateway: { tcp: Ports; udp: Ports };
  /** Where that gateway serves metrics to Prometheus; null: nowhere. */
  metrics: SocketAddress | null;
  tls: TlsFiles | null;
  trustedProxies: readonly string[];
  /** Milliseconds that a stream waits for its agent or client after the last lane is lost. */
  graceMs: number;
  /** The URL that the edge notifies of sites that go offline and rules that expire; null: none. */
  webhook: string | null;
  /** How much history the edge keeps: LOG_KEEP, AUDIT_KEEP and KEEP_DAYS, those that were given. */
  retention: Readonly<Record<string, string>>;
  /** Whether HTTP mappings are allowed on the edge's own host. */
  shareControlHost: boolean;
  /** This command line without `--tcp`, for the edge's messages. */
  hint: string;
  /** The source of the built Worker. */
  worker: string;
  env: NodeJS.ProcessEnv;
};
