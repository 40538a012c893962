import { parseAddress } from "../../shared/address/address.ts";
import { classify } from "../../shared/address/address-class.ts";
import { formatPorts } from "../../shared/address/ports.ts";
import { formatHostPort } from "../../shared/address/socket-address.ts";
import type { Log } from "../../link/log.ts";
import { reachable, type Address } from "./address.ts";
import type { AdminSecret } from "./data.ts";
import type { ServeOptions } from "./serve-options.ts";

/** What of its options is told, or decides what is. */
export type AnnounceOptions = Pick<ServeOptions, "publicUrl" | "tls" | "trustedProxies" | "tcp" | "bind">;

/** Says that the edge is ready, where, and at the first start what comes next. */
export function announce(options: AnnounceOptions, listen: Address, secret: AdminSecret, log: Log): void {
  const url =
    options.publicUrl ??
    `${options.tls === null ? "http" : "https"}://${formatHostPort(reachable(listen).host, listen.port)}`;
  if (secret.isNew) log("info", `first start: now log in with \`sallyport login ${url} --secret-file ${secret.file}\``);
  if (isExposedUnencrypted(options, listen.host))
    log(
      "warn",
      `${formatHostPort(listen.host, listen.port)} speaks plain HTTP: tokens and secrets can be read on the way`,
      {
        fix: "--tls-cert and --tls-key; or --listen 127.0.0.1:PORT behind a proxy that speaks HTTPS (--trusted-proxy)",
        ...(url.startsWith("https:") ? { publicUrl: `${url} is answered by no HTTPS of this edge` } : {}),
      },
    );
  const tcp = options.tcp.length === 0 ? undefined : formatHostPort(options.bind, formatPorts(options.tcp));
  log("info", "ready", {
    url,
    listen: formatHostPort(listen.host, listen.port),
    ...(tcp === undefined ? {} : { tcp }),
  });
}

/** Whether strangers may reach it without TLS. A proxy that is trusted is one that speaks TLS in front. */
function isExposedUnencrypted({ tls, trustedProxies }: AnnounceOptions, host: string): boolean {
  const address = parseAddress(host);
  if (tls !== null || trustedProxies.length > 0 || !address.ok) return false;
  return ["public", "unspecified"].includes(classify(address.value));
}
