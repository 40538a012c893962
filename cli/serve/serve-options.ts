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
  /** What the built-in gateway may open when a mapping wants it. */
  gateway: { tcp: Ports; udp: Ports };
  /** Where that gateway answers Prometheus; null: nowhere. */
  metrics: SocketAddress | null;
  tls: TlsFiles | null;
  trustedProxies: readonly string[];
  /** Milliseconds that streams outlive the connections they were carried by. */
  graceMs: number;
  /** Where the edge tells of sites that go offline and rules that end. */
  webhook: string | null;
  /** How much of the past is kept: LOG_KEEP, AUDIT_KEEP, KEEP_DAYS, as far as they were said. */
  retention: Readonly<Record<string, string>>;
  /** HTTP mappings are allowed on the edge's own host. */
  shareControlHost: boolean;
  /** This command line without `--tcp`, for messages of the edge. */
  hint: string;
  /** Source of the built Worker. */
  worker: string;
  env: NodeJS.ProcessEnv;
};
