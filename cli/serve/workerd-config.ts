import { formatHostPort } from "../../shared/address/socket-address.ts";
import type { Address } from "./address.ts";
import { quote } from "./capnp.ts";

/** The same in wrangler.toml; a later date needs a later workerd. */
export const COMPATIBILITY_DATE = "2026-10-20";
export const COMPATIBILITY_FLAGS = ["no_web_socket_compression", "enable_request_signal"];

/**
 * MiB of young objects before V8 looks through them, instead of its own 16. What a request leaves behind in workerd is freed by
 * full collections only, each as long as what has gathered: with 16 they stop everything for 0.2 s, and 170 MiB more are kept.
 */
const V8_FLAGS = ["--max-semi-space-size=4"];

/** Objects are found by these on disk: they stay as they are for ever, or an upgrade would lose every site. */
const DURABLE_OBJECTS = [
  { binding: "RELAY", className: "Relay", uniqueKey: "sallyport-relay" },
  { binding: "REGISTRY", className: "Registry", uniqueKey: "sallyport-registry" },
];

/** Headers that only Cloudflare may set. workerd passes what a stranger sends, so they are removed where requests come in. */
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
  /** Source of the built Worker. */
  worker: string;
  /** Absolute path of the folder that holds the Durable Objects' storage. */
  storage: string;
  listen: Address;
  /** Another HTTP port, on loopback and plain: for the launcher's own gateway beside TLS. */
  localPort: number | null;
  /** PEM texts; without them the control socket speaks plain HTTP. */
  tls: { certificate: string; key: string } | null;
  /** TCP ports the Worker itself owns. */
  bind: string;
  tcp: readonly number[];
  /** There is a webhook to be told. */
  dialsOut: boolean;
  /** Text bindings of the Worker. */
  vars: Readonly<Record<string, string>>;
  /** Bindings of the Worker taken from environment variables of the same name. */
  secrets: readonly string[];
};

export const HTTP_SOCKET = "http";
export const LOCAL_SOCKET = "local";

/** The name of the socket of a Worker-owned port, as workerd reports it. */
export function tcpSocket(port: number): string {
  return `tcp:${port}`;
}

/** The workerd configuration around the built Worker, as text. */
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
    # Agents come to the edge; it dials out for a webhook only.
    (name = "internet", network = (${config.dialsOut ? 'allow = ["public", "private", "local"], tlsOptions = (trustBrowserCas = true)' : "allow = []"})),
  ],
  sockets = [
${indented(sockets)}
  ],
);

const edge :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = ${quote(config.worker)})],
  compatibilityDate = ${quote(COMPATIBILITY_DATE)},
  compatibilityFlags = [${COMPATIBILITY_FLAGS.map(quote).join(", ")}],
  durableObjectNamespaces = [
${indented(DURABLE_OBJECTS.map(({ className, uniqueKey }) => `(className = ${quote(className)}, uniqueKey = ${quote(uniqueKey)}, enableSql = true)`))}
  ],
  durableObjectStorage = (localDisk = "storage"),
  bindings = [
${indented(bindings)}
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

function indented(items: readonly string[]): string {
  return items.map((item) => `    ${item},`).join("\n");
}
