import { parseAddress } from "../../shared/address/address.ts";
import { classify } from "../../shared/address/address-class.ts";
import { formatPorts } from "../../shared/address/ports.ts";
import { formatHostPort } from "../../shared/address/socket-address.ts";
import type { Log } from "../../link/log.ts";
import { reachable, type Address } from "./address.ts";
import type { AdminSecret } from "./data.ts";
import type { ServeOptions } from "./serve-options.ts";

/** The options of `serve` that decide what is logged at the start. */
export type AnnounceOptions = Pick<ServeOptions, "publicUrl" | "tls" | "trustedProxies" | "tcp" | "bind">;

/** Logs that the edge is ready and where, warns of an unencrypted public address, and says after the first start how to log in. */
export function announce(options: AnnounceOptions, listen: Address, secret: AdminSecret, log: Log): void {
  const url =
    options.publicUrl ??
    `${options.tls === null ? "http" : "https"}://${formatHostPort(reachable(listen).host, listen.port)}`;
  if (secret.isNew) log("info", `first start: log in with \`sallyport login ${url} --secret-file ${secret.file}\``);
  if (isExposedUnencrypted(options, listen.host))
    log(
      "warn",
      `${formatHostPort(listen.host, listen.port)} is unencrypted HTTP: tokens and secrets can be read on the way`,
      {
        fix: "give --tls-cert and --tls-key; or --listen 127.0.0.1:PORT behind an HTTPS proxy (--trusted-proxy)",
        ...(url.startsWith("https:") ? { publicUrl: `${url} is HTTPS, which this edge does not serve` } : {}),
      },
    );
  const tcp = options.tcp.length === 0 ? undefined : formatHostPort(options.bind, formatPorts(options.tcp));
  log("info", "ready", {
    url,
    listen: formatHostPort(listen.host, listen.port),
    ...(tcp === undefined ? {} : { tcp }),
  });
}

/** Whether other machines can reach the edge without TLS. A trusted proxy is assumed to serve TLS in front of it. */
function isExposedUnencrypted({ tls, trustedProxies }: AnnounceOptions, host: string): boolean {
  const address = parseAddress(host);
  if (tls !== null || trustedProxies.length > 0 || !address.ok) return false;
  return ["public", "unspecified"].includes(classify(address.value));
}
