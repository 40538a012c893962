import { formatHostPort } from "../../shared/address/socket-address.ts";
import type { Address } from "./address.ts";
import { quote } from "./capnp.ts";

/** The same as in wrangler.toml; a later date needs a later workerd. */
export const COMPATIBILITY_DATE = "2026-10-20";
export const COMPATIBILITY_FLAGS = ["no_web_socket_compression", "enable_request_signal"];

/**
 * V8's young generation in MiB; its default is 16. What a request leaves behind in workerd is freed only by full collections, which
 * take longer the more has gathered: with 16 MiB each stops everything for 0.2 s, and 170 MiB more memory is used.
 */
const V8_FLAGS = ["--max-semi-space-size=4"];

/** workerd finds objects on disk by these keys. They must never change, or an upgrade would lose every site. */
const DURABLE_OBJECTS = [
  { binding: "RELAY", className: "Relay", uniqueKey: "sallyport-relay" },
  { binding: "REGISTRY", className: "Registry", uniqueKey: "sallyport-registry" },
];

/** Headers that only Cloudflare may set. workerd passes on what a visitor sends, so its HTTP sockets remove them. */
const PLATFORM_HEADERS = [
  "CF-Connecting-IP",
  "CF-Connecting-IPv6",
  "CF-Connecting-O2O",
  "CF-IPCountry",
  "CF-Ray",
  "CF-Visitor",
  "CF-Worker",
  "CF-EW-Via",
  "CDN-Loop",
  "True-Client-IP",
];

export type EdgeConfig = {
  /** The source of the built Worker. */
  worker: string;
  /** The absolute path of the Durable Objects' storage. */
  storage: string;
  listen: Address;
  /** A second HTTP port, unencrypted and on loopback, for the launcher's gateway when the first speaks TLS; null: none. */
  localPort: number | null;
  /** PEM texts; null: the HTTP socket is unencrypted. */
  tls: { certificate: string; key: string } | null;
  /** The address of the TCP ports that the Worker itself owns. */
  bind: string;
  tcp: readonly number[];
  /** Whether the Worker may dial out: only for a webhook. */
  dialsOut: boolean;
  /** The Worker's text bindings. */
  vars: Readonly<Record<string, string>>;
  /** The Worker's bindings that workerd takes from environment variables of the same name. */
  secrets: readonly string[];
};

export const HTTP_SOCKET = "http";
export const LOCAL_SOCKET = "local";

/** Names the socket of a port that the Worker owns, as workerd reports it. */
export function tcpSocket(port: number): string {
  return `tcp:${port}`;
}

/** Writes workerd's configuration around the built Worker. */
export function workerdConfig(config: EdgeConfig): string {
  const sockets = [
    `(name = ${quote(HTTP_SOCKET)}, address = ${quote(formatHostPort(config.listen.host, config.listen.port))}, service = "edge", ${httpSocket(config.tls)})`,
    ...(config.localPort === null
      ? []
      : [
          `(name = ${quote(LOCAL_SOCKET)}, address = ${quote(`127.0.0.1:${config.localPort}`)}, service = "edge", ${httpSocket(null)})`,
        ]),
    ...config.tcp.map(
      (port) =>
        `(name = ${quote(tcpSocket(port))}, address = ${quote(formatHostPort(config.bind, port))}, service = "edge", tcp = ())`,
    ),
  ];
  const bindings = [
    ...DURABLE_OBJECTS.map(
      ({ binding, className }) => `(name = ${quote(binding)}, durableObjectNamespace = ${quote(className)})`,
    ),
    ...config.secrets.map((name) => `(name = ${quote(name)}, fromEnvironment = ${quote(name)})`),
    ...Object.entries(config.vars).map(([name, value]) => `(name = ${quote(name)}, text = ${quote(value)})`),
  ];
  return `using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  logging = (structuredLogging = true),
  v8Flags = [${V8_FLAGS.map(quote).join(", ")}],
  services = [
    (name = "edge", worker = .edge),
    (name = "storage", disk = (path = ${quote(config.storage)}, writable = true)),
    # Agents dial the edge; the edge dials out only for a webhook.
    (name = "internet", network = (${config.dialsOut ? 'allow = ["public", "private", "local"], tlsOptions = (trustBrowserCas = true)' : "allow = []"})),
  ],
  sockets = [
${indent(sockets)}
  ],
);

const edge :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = ${quote(config.worker)})],
  compatibilityDate = ${quote(COMPATIBILITY_DATE)},
  compatibilityFlags = [${COMPATIBILITY_FLAGS.map(quote).join(", ")}],
  durableObjectNamespaces = [
${indent(DURABLE_OBJECTS.map(({ className, uniqueKey }) => `(className = ${quote(className)}, uniqueKey = ${quote(uniqueKey)}, enableSql = true)`))}
  ],
  durableObjectStorage = (localDisk = "storage"),
  bindings = [
${indent(bindings)}
  ],
);
`;
}

function httpSocket(tls: EdgeConfig["tls"]): string {
  const options = `(injectRequestHeaders = [${PLATFORM_HEADERS.map((name) => `(name = ${quote(name)})`).join(", ")}])`;
  if (tls === null) return `http = ${options}`;
  const keypair = `(privateKey = ${quote(tls.key)}, certificateChain = ${quote(tls.certificate)})`;
  return `https = (options = ${options}, tlsOptions = (keypair = ${keypair}))`;
}

function indent(items: readonly string[]): string {
  return items.map((item) => `    ${item},`).join("\n");
}
