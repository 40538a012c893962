import { join } from "node:path";
import { formatPorts, type Ports } from "../../shared/address/ports.ts";
import { workerdConfig, type EdgeConfig } from "./workerd-config.ts";
import { writeWhole } from "./disk.ts";
import type { ServeOptions } from "./serve-options.ts";
import type { Tls } from "./tls.ts";

/** Converts the options of `serve` to workerd's configuration. `ports`: the single ports of `--tcp`. */
export function edgeConfig(
  options: ServeOptions,
  tls: Tls | null,
  storage: string,
  ports: readonly number[],
  localPort: number | null,
): EdgeConfig {
  const vars: Record<string, string> = {
    SELF_HOSTED: "1",
    TCP_PORTS: formatPorts(options.tcp),
    GRACE_SECONDS: String(Math.ceil(options.graceMs / 1000)),
    SERVE_HINT: options.hint,
    ...portsOf("GATEWAY_TCP", options.gateway.tcp),
    ...portsOf("GATEWAY_UDP", options.gateway.udp),
    ...options.retention,
  };
  if (options.publicUrl !== null) vars["PUBLIC_URL"] = options.publicUrl;
  if (options.shareControlHost) vars["SHARE_CONTROL_HOST"] = "1";
  if (options.trustedProxies.length > 0) vars["TRUSTED_PROXIES"] = options.trustedProxies.join(",");
  if (options.webhook !== null) vars["WEBHOOK_URL"] = options.webhook;
  return {
    worker: options.worker,
    storage,
    listen: options.listen,
    localPort,
    tls,
    bind: options.bind,
    tcp: ports,
    dialsOut: options.webhook !== null,
    vars,
    secrets: ["ADMIN_SECRET"],
  };
}

/** Writes workerd's configuration into a folder, for people to read, without the Worker and without the certificate's key. */
export function showConfig(folder: string, config: EdgeConfig): void {
  const tls = config.tls === null ? null : { ...config.tls, key: "(not shown)" };
  try {
    writeWhole(join(folder, "config.capnp"), workerdConfig({ ...config, worker: "(not shown)", tls }));
  } catch {
    // The disk may be full, and no program reads this file.
  }
}

function portsOf(name: string, ports: Ports): Record<string, string> {
  return ports.length === 0 ? {} : { [name]: formatPorts(ports) };
}
