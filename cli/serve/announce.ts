import { formatPorts } from "../../shared/ports.ts";
import { formatHostPort } from "../../shared/socket-address.ts";
import type { Log } from "../../link/log.ts";
import { reachable, type Address } from "./address.ts";
import type { AdminSecret } from "./data.ts";
import type { ServeOptions } from "./serve.ts";

/** Says that the edge is ready, where, and at the first start what comes next. */
export function announce(options: ServeOptions, listen: Address, secret: AdminSecret, log: Log): void {
  const url =
    options.publicUrl ??
    `${options.tls === null ? "http" : "https"}://${formatHostPort(reachable(listen).host, listen.port)}`;
  if (secret.isNew) log("info", `first start: now log in with \`sallyport login ${url} --secret-file ${secret.file}\``);
  const tcp = options.tcp.length === 0 ? undefined : formatHostPort(options.bind, formatPorts(options.tcp));
  log("info", "ready", {
    url,
    listen: formatHostPort(listen.host, listen.port),
    ...(tcp === undefined ? {} : { tcp }),
  });
}
