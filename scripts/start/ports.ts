import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { formatHostPort, splitHostPort } from "../../shared/address/socket-address.ts";
import type { Options, Pair } from "./options.ts";
import { startStandIn, standIn } from "./stand-ins.ts";

/** Starts the stand-ins that are mapped, and makes sure that the edge will get its addresses. Throws what to do if not. */
export async function takePorts({ pairs, listen, bind }: Options): Promise<void> {
  const held: Server[] = [];
  for (const { port } of pairs) held.push(await hold(bind, port, elsewhere(pairs, port)));
  const { host = "", port = "" } = splitHostPort(listen) ?? {};
  held.push(await hold(host, Number(port), `--listen ${formatHostPort(host, another(Number(port)))}`));
  // Started while the public ports are held: on some addresses the two would be in each other's way.
  for (const { target } of pairs) {
    const server = standIn(target);
    if (server === undefined) continue;
    await startStandIn(server).catch(explain(server.host, server.port, "--map PUBLIC=HOST:PORT"));
  }
  await Promise.all(held.map(release));
}

async function hold(host: string, port: number, instead: string): Promise<Server> {
  const server = createServer().listen(port, host);
  await once(server, "listening").catch(explain(host, port, instead));
  return server;
}

async function release(server: Server): Promise<void> {
  server.close();
  await once(server, "close");
}

function another(port: number): number {
  return port < 50_000 ? port + 10_000 : port - 10_000;
}

/** The same mappings with another port in place of a taken one. */
function elsewhere(pairs: readonly Pair[], taken: number): string {
  return pairs
    .map(
      ({ port, target }) =>
        `--map ${port === taken ? another(port) : port}=${formatHostPort(target.host, target.first)}`,
    )
    .join(" ");
}

/** Turns Node's error into one that says which port, why, and what to do. */
function explain(host: string, port: number, instead: string): (error: unknown) => never {
  return (error) => {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    const reason =
      REASONS[String(code)]?.(host, port) ?? `${formatHostPort(host, port)} can't be used: ${String(error)}`;
    throw new Error(`${reason}\n  Or use another:   npm start -- ${instead}`, { cause: error });
  };
}

const REASONS: Readonly<Record<string, (host: string, port: number) => string>> = {
  EADDRINUSE: (host, port) =>
    `Port ${port} is taken: another program, perhaps an earlier npm start, listens on ${formatHostPort(host, port)}.
  Find and stop it: ss -ltnp 'sport = :${port}'`,
  EACCES: (_host, port) => `Port ${port} is not permitted for this user: ports below 1024 are the system's.`,
  EADDRNOTAVAIL: (host) => {
    // Linux has all of 127.0.0.0/8, macOS only 127.0.0.1.
    const hint = host.startsWith("127.") ? `\n  On a Mac, add it: sudo ifconfig lo0 alias ${host}` : "";
    return `${host} is not an address of this machine.${hint}`;
  },
};
