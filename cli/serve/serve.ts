import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { formatPorts, type Ports } from "../../shared/ports.ts";
import { formatHostPort, type SocketAddress } from "../../shared/socket-address.ts";
import { EXIT, Problem } from "../../link/problem.ts";
import { reachable, type Address } from "./address.ts";
import { startWorkerd, type WorkerdProcess } from "./child.ts";
import { HTTP_SOCKET, LOCAL_SOCKET, tcpSocket, workerdConfig } from "./config.ts";
import { adminSecret, openData, type AdminSecret } from "./data.ts";
import { runGateway } from "./gateway.ts";
import { isHealthy } from "./health.ts";
import { lockData } from "./lock.ts";
import type { Log } from "../../link/log.ts";
import { probe } from "./probe.ts";
import { endStaleWorkerd, rememberWorkerd } from "./stale.ts";
import { checkStorage } from "./storage.ts";
import { supervise } from "./supervise.ts";
import { Renewal } from "./renewal.ts";
import type { Tls, TlsFiles } from "./tls.ts";
import { findWorkerd } from "./workerd.ts";

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

/**
 * Milliseconds that a workerd which listens may take to answer for the first time: after a crash a thousand agents may stand
 * before the check, and to begin anew would only make them stand there again.
 */
const HEALTH_TIMEOUT_MS = 60_000;
/** The same of one that ran: with the time between checks, a hung workerd is noticed within three quarters of a minute. */
const CHECK_TIMEOUT_MS = 10_000;
/** A wish that never comes. */
const NEVER = new Promise<string>(() => {});

/**
 * Runs the self-hosted edge until `signal`. Throws Problem when it can't start.
 * `onReload` is given what to do when the launcher is asked to look at its files again.
 */
export async function serve(
  options: ServeOptions,
  signal: AbortSignal,
  log: Log,
  onReload: (reload: () => void) => void,
): Promise<void> {
  const renewal = options.tls === null ? null : new Renewal(options.tls, log);
  renewal?.watch(signal);
  onReload(() => renewal?.look());
  const data = openData(options.data);
  using _lock = lockData(data);
  await endStaleWorkerd(data.run, log);
  checkStorage(data.storage);
  const secret = adminSecret(data);
  if (secret.isOpen) log("warn", `other users of this machine can read ${secret.file}: chmod 600 it`);
  const ports = options.tcp.flatMap(({ first, last }) =>
    Array.from({ length: last - first + 1 }, (_, index) => first + index),
  );
  const metrics = options.metrics === null ? [] : [{ host: options.metrics.address.text, port: options.metrics.port }];
  await probe([options.listen, ...metrics, ...ports.map((port) => ({ host: options.bind, port }))]);
  const binary = findWorkerd(options.env, (message) => log("info", message));

  writeFileSync(join(data.run, "worker.js"), options.worker);
  // The gateway is on this machine: certificates are made for the names that others use.
  const localPort = options.tls !== null && ownsPorts(options) ? await freePort() : null;
  const sockets = [HTTP_SOCKET, ...(localPort === null ? [] : [LOCAL_SOCKET]), ...ports.map(tcpSocket)];
  const start = async () => {
    const config = edgeConfig(options, renewal?.current ?? null, data.storage, ports, localPort);
    writeFileSync(join(data.run, "config.capnp"), config, { mode: 0o600 });
    const workerd = startWorkerd({ binary, folder: data.run, sockets, secrets: { ADMIN_SECRET: secret.value }, log });
    rememberWorkerd(data.run, workerd.pid);
    const abandon = () => void workerd.stop(0);
    signal.addEventListener("abort", abandon);
    try {
      const listening = await workerd.listening;
      const listen = { host: options.listen.host, port: listening.get(HTTP_SOCKET) ?? options.listen.port };
      await healthy(workerd, listen, options.tls !== null);
      return { workerd, listen };
    } finally {
      signal.removeEventListener("abort", abandon);
    }
  };

  const first = await start().catch((error: unknown) => {
    if (signal.aborted) return undefined;
    if (error instanceof Problem) throw error;
    throw new Problem(
      EXIT.failed,
      "workerd-failed",
      error instanceof Error ? error.message : String(error),
      "the lines above say why",
    );
  });
  if (first === undefined) return;
  announce(options, first.listen, secret, log);
  const local = localPort === null ? reachable(first.listen) : { host: "127.0.0.1", port: localPort };
  const edge = `http://${formatHostPort(local.host, local.port)}`;
  const owned = { ...options, secret: secret.value, file: join(data.run, "gateway-token"), edge };
  const gateway = runGateway(owned, signal, log);
  const supervised = {
    first: first.workerd,
    start: async () => (await start()).workerd,
    isAnswering: () => isHealthy(reachable(first.listen), options.tls !== null, CHECK_TIMEOUT_MS),
    wanted: () => renewal?.renewed ?? NEVER,
  };
  await supervise(supervised, signal, log);
  await gateway;
}

function ownsPorts({ gateway }: ServeOptions): boolean {
  return gateway.tcp.length + gateway.udp.length > 0;
}

function portsOf(name: string, ports: Ports): Record<string, string> {
  return ports.length === 0 ? {} : { [name]: formatPorts(ports) };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

function edgeConfig(
  options: ServeOptions,
  tls: Tls | null,
  storage: string,
  ports: readonly number[],
  localPort: number | null,
): string {
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
  return workerdConfig({
    worker: "worker.js",
    storage,
    listen: options.listen,
    localPort,
    tls,
    bind: options.bind,
    tcp: ports,
    dialsOut: options.webhook !== null,
    vars,
    secrets: ["ADMIN_SECRET"],
  });
}

async function healthy(workerd: WorkerdProcess, listen: Address, tls: boolean): Promise<void> {
  if (await isHealthy(reachable(listen), tls, HEALTH_TIMEOUT_MS)) return;
  await workerd.stop(0);
  throw new Problem(
    EXIT.failed,
    "edge-unhealthy",
    "workerd listens, but the Worker in it does not answer",
    "the lines above say why",
  );
}

function announce(options: ServeOptions, listen: Address, secret: AdminSecret, log: Log): void {
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
