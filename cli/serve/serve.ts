import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { formatHostPort } from "../../shared/address/socket-address.ts";
import { EXIT, Problem } from "../../link/problem.ts";
import { reachable, type Address } from "./address.ts";
import { startWorkerd, type WorkerdProcess } from "./workerd-process.ts";
import { HTTP_SOCKET, LOCAL_SOCKET, tcpSocket, workerdConfig } from "./workerd-config.ts";
import { edgeConfig, showConfig } from "./edge-config.ts";
import { announce } from "./announce.ts";
import { checkStorage, diagnosingLog } from "./data-check.ts";
import { ClockWatch } from "./clock-watch.ts";
import { adminSecret, openData } from "./data.ts";
import { tryRemove } from "./disk.ts";
import { runGateway } from "./gateway.ts";
import { isHealthy } from "./health.ts";
import { shellWord } from "./hint.ts";
import { warnOfLowFileLimit } from "./open-files.ts";
import { lockData } from "./lock.ts";
import type { Log } from "../../link/log.ts";
import { checkPorts } from "./port-check.ts";
import { continueIfStopped } from "./process.ts";
import { DiskReserve } from "./disk-reserve.ts";
import { endStaleWorkerd, rememberWorkerd } from "./stale.ts";
import { supervise } from "./supervise.ts";
import { CertificateWatch } from "./certificate-watch.ts";
import type { ServeOptions } from "./serve-options.ts";
import { findWorkerd } from "./find-workerd.ts";

/**
 * Milliseconds that a new workerd may take to answer its first health check: after a crash a thousand agents may come before the
 * check, and another restart would only bring them back.
 */
const HEALTH_TIMEOUT_MS = 60_000;
/** The same for a workerd that was ready: with the time between checks, a hang is noticed within three quarters of a minute. */
const CHECK_TIMEOUT_MS = 10_000;
/** A reason that never comes. */
const NEVER = new Promise<string>(() => {});

/**
 * Runs the self-hosted edge until `signal`. Throws Problem when it can't start.
 * `onReload` is given the function to call when the launcher is to check its files again.
 */
export async function serve(
  options: ServeOptions,
  signal: AbortSignal,
  log: Log,
  onReload: (reload: () => void) => void,
): Promise<void> {
  const certificate = options.tls === null ? null : new CertificateWatch(options.tls, log);
  certificate?.watch(signal);
  onReload(() => certificate?.check());
  const data = openData(options.data);
  using _lock = lockData(data);
  await endStaleWorkerd(data.run, log);
  // Earlier versions wrote the Worker into the first and the certificate's key into the second.
  for (const name of ["worker.js", "config.capnp"]) tryRemove(join(data.run, name));
  checkStorage(data);
  const secret = adminSecret(data);
  if (secret.isExposed)
    log("warn", `other users of this machine can read ${secret.file}`, { fix: `chmod 600 ${shellWord(secret.file)}` });
  const ports = options.tcp.flatMap(({ first, last }) =>
    Array.from({ length: last - first + 1 }, (_, index) => first + index),
  );
  const metrics = options.metrics === null ? [] : [{ host: options.metrics.address.text, port: options.metrics.port }];
  await checkPorts([options.listen, ...metrics, ...ports.map((port) => ({ host: options.bind, port }))]);
  const binary = findWorkerd(options.env, (message) => log("info", message));
  warnOfLowFileLimit(log);

  // The launcher's gateway dials loopback, for which the certificate is not valid: it gets an unencrypted port of its own.
  const localPort = options.tls !== null && ownsPorts(options) ? await freePort() : null;
  const sockets = [HTTP_SOCKET, ...(localPort === null ? [] : [LOCAL_SOCKET]), ...ports.map(tcpSocket)];
  const reserve = new DiskReserve(data, log);
  let running = -1;
  const start = async () => {
    const config = edgeConfig(options, certificate?.current ?? null, data.storage, ports, localPort);
    reserve.release();
    showConfig(data.run, config);
    const secrets = { ADMIN_SECRET: secret.value };
    const workerd = startWorkerd({
      binary,
      folder: data.run,
      config: workerdConfig(config),
      sockets,
      secrets,
      log: diagnosingLog(data, log),
    });
    running = workerd.pid;
    rememberWorkerd(data.run, workerd.pid);
    const abandon = () => void workerd.stop(0);
    signal.addEventListener("abort", abandon);
    try {
      const listening = await workerd.listening;
      const listen = { host: options.listen.host, port: listening.get(HTTP_SOCKET) ?? options.listen.port };
      await checkHealth(workerd, listen, options.tls !== null);
      return { workerd, listen };
    } finally {
      signal.removeEventListener("abort", abandon);
    }
  };

  const first = await start().catch((error: unknown) => {
    if (signal.aborted) return undefined;
    if (error instanceof Problem) throw error;
    if (!reserve.release()) throw diskFullProblem(data.root, error);
    throw new Problem(
      EXIT.failed,
      "workerd-failed",
      error instanceof Error ? error.message : String(error),
      "see the log lines above",
    );
  });
  if (first === undefined) return;
  reserve.keep(signal);
  const clock = new ClockWatch(log);
  clock.watch(signal);
  announce(options, first.listen, secret, log);
  const local = localPort === null ? reachable(first.listen) : { host: "127.0.0.1", port: localPort };
  const edge = `http://${formatHostPort(local.host, local.port)}`;
  const owned = { ...options, secret: secret.value, file: join(data.run, "gateway-token"), edge };
  const gateway = runGateway(owned, signal, log);
  const supervised = {
    first: first.workerd,
    start: async () => (await start()).workerd,
    isAnswering: () => {
      if (continueIfStopped(running)) log("warn", "workerd was stopped by a signal: continued it", { pid: running });
      return isHealthy(reachable(first.listen), options.tls !== null, CHECK_TIMEOUT_MS);
    },
    restartReason: () => Promise.race([certificate?.renewed ?? NEVER, clock.setBack]),
  };
  await supervise(supervised, signal, log);
  await gateway;
}

/** Makes the Problem for a workerd that ended because SQLite can't write. With space it starts again: systemd retries. */
function diskFullProblem(root: string, error: unknown): Problem {
  const cause = error instanceof Error ? error.message : String(error);
  return new Problem(
    EXIT.failed,
    "disk-full",
    `the disk of ${root} is full, and workerd can't start: ${cause}`,
    `free space on it (see df ${shellWord(root)}) and start again; nothing that was confirmed is lost`,
  );
}

function ownsPorts({ gateway }: ServeOptions): boolean {
  return gateway.tcp.length + gateway.udp.length > 0;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

async function checkHealth(workerd: WorkerdProcess, listen: Address, tls: boolean): Promise<void> {
  if (await isHealthy(reachable(listen), tls, HEALTH_TIMEOUT_MS)) return;
  await workerd.stop(0);
  throw new Problem(
    EXIT.failed,
    "edge-unhealthy",
    "workerd listens, but the Worker in it does not answer",
    "see the log lines above",
  );
}
