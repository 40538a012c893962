/** Real proxies from Debian, which find the edge of `corporation` by a file of hosts that nothing else on the machine reads. */
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { once } from "node:events";
import { connect, createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { TestContext } from "vitest";
import { execute, run, type Run } from "./run.ts";

export const USER = "ann";
export const PASSWORD = "p@ss";

/** A proxy that can be started again at the same port. */
export interface RealProxy {
  readonly url: string;
  /** The file with the certificate of its authority, once it has started, if it inspects TLS. */
  readonly ca?: string;
  readonly start: () => Promise<Run>;
}

type Hosts = Readonly<Record<string, string>>;

/** Skips, saying so, where mounts of one's own are not permitted. */
export async function needsMounts(context: TestContext): Promise<void> {
  const { code, stderr } = await execute("unshare", ["--mount", "true"]);
  if (code === 0) return;
  if (process.env.CI !== undefined && process.getuid?.() === 0) throw new Error(stderr);
  console.warn(`SKIPPED: ${context.task.name}: no right to mounts: ${stderr}`);
  context.skip("no right to mounts");
}

/** Runs a command to which `file` seems to be at `place`. */
export function seeing(
  file: string,
  place: string,
  command: readonly string[],
  env: Record<string, string | undefined> = {},
): Run {
  const script = `mount --bind "$1" "$2" && shift 2 && exec "$@"`;
  return run("unshare", ["--mount", "sh", "-euc", script, "sh", file, place, ...command], { env });
}

/** Squid with Basic authentication, which lets CONNECT through to the ports 443 and `port` only. */
export async function squid(folder: string, hosts: Hosts, port: number): Promise<RealProxy> {
  const at = await freePort();
  const own = await folderFor(folder, "squid");
  const { stdout } = await execute("openssl", ["passwd", "-apr1", PASSWORD]);
  await writeFile(join(own, "passwd"), `${USER}:${stdout.trim()}\n`);
  await writeFile(join(own, "hosts"), hostsText(hosts));
  await writeFile(
    join(own, "squid.conf"),
    `http_port 127.0.0.1:${at}
auth_param basic program /usr/lib/squid/basic_ncsa_auth ${own}/passwd
acl known proxy_auth REQUIRED
acl safe port 443 ${port}
acl CONNECT method CONNECT
http_access deny CONNECT !safe
http_access allow known
http_access deny all
hosts_file ${own}/hosts
pid_filename none
cache_log stdio:/dev/null
access_log none
cache deny all
coredump_dir ${own}
shutdown_lifetime 0 seconds
`,
  );
  const start = (): Promise<Run> => listening(run("squid", ["-N", "-f", join(own, "squid.conf")]), at);
  return { url: `http://${USER}:${encodeURIComponent(PASSWORD)}@127.0.0.1:${at}`, start };
}

/** Tinyproxy, which answers in HTTP/1.0, and cuts what was idle for `idle` seconds. */
export async function tinyproxy(folder: string, hosts: Hosts, idle: number): Promise<RealProxy> {
  const at = await freePort();
  const own = await folderFor(folder, "tinyproxy");
  await writeFile(join(own, "hosts"), hostsText(hosts));
  const config = join(own, "tinyproxy.conf");
  await writeFile(
    config,
    `Port ${at}\nListen 127.0.0.1\nTimeout ${idle}\nMaxClients 100\nBasicAuth ${USER} plain\nLogLevel Warning\n`,
  );
  const command = ["tinyproxy", "-d", "-c", config];
  const start = (): Promise<Run> => listening(seeing(join(own, "hosts"), "/etc/hosts", command), at);
  return { url: `http://${USER}:plain@127.0.0.1:${at}`, start };
}

/** mitmproxy, which reads what passes: it shows a certificate of its own authority in the place of the edge's. `edgeCa` is what it trusts. */
export async function mitmproxy(folder: string, hosts: Hosts, edgeCa: string): Promise<RealProxy> {
  const at = await freePort();
  const own = await folderFor(folder, "mitmproxy");
  await writeFile(join(own, "hosts"), hostsText(hosts));
  const settings = [`confdir=${own}`, `ssl_verify_upstream_trusted_ca=${edgeCa}`, "termlog_verbosity=warn"];
  const words = [
    "--listen-host",
    "127.0.0.1",
    "--listen-port",
    String(at),
    ...settings.flatMap((each) => ["--set", each]),
  ];
  const command = ["mitmdump", "--quiet", ...words];
  const start = (): Promise<Run> => listening(seeing(join(own, "hosts"), "/etc/hosts", command, { HOME: own }), at);
  return { url: `http://127.0.0.1:${at}`, ca: join(own, "mitmproxy-ca-cert.pem"), start };
}

/** Waits until something listens at a port. Throws when the program that should has ended. */
async function listening(started: Run, port: number): Promise<Run> {
  const over = started.ended.then(({ stderr }) => Promise.reject(new Error(`it ended: ${stderr}`)));
  const there = async (): Promise<void> => {
    while (!(await takes(port))) await pause(50);
  };
  await Promise.race([there(), over]);
  over.catch(() => undefined);
  return started;
}

async function takes(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

async function folderFor(folder: string, name: string): Promise<string> {
  const own = join(folder, name);
  await mkdir(own);
  // Squid gives its rights away, and still has to read its files.
  await Promise.all([folder, own].map((each) => chmod(each, 0o755)));
  return own;
}

function hostsText(hosts: Hosts): string {
  return Object.entries({ localhost: "127.0.0.1", ...hosts })
    .map(([name, address]) => `${address} ${name}\n`)
    .join("");
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
