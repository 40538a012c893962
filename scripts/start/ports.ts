import { once } from "node:events";
import { createServer } from "node:net";
import { formatHostPort, splitHostPort } from "../../shared/socket-address.ts";
import type { Options } from "./options.ts";
import { startStandIn, standIn } from "./stand-ins.ts";

const TRY_ANOTHER_LISTEN = "npm start -- --listen 127.0.0.1:18787";

/** Starts the stand-ins that are mapped, and makes sure that the edge will get its addresses. Throws what to do if not. */
export async function takePorts({ pairs, listen, bind }: Options): Promise<void> {
  for (const { target } of pairs) {
    const server = standIn(target);
    if (server !== undefined)
      await startStandIn(server).catch(explain(server.host, server.port, "npm start -- --map PUBLIC=HOST:PORT"));
  }
  for (const { port, target } of pairs) {
    const other = port < 10_000 ? port + 10_000 : port - 10_000;
    const mapped = `${other}=${formatHostPort(target.host, target.first)}`;
    await tryPort(bind, port).catch(explain(bind, port, `npm start -- --map ${mapped}`));
  }
  const { host = "", port = "" } = splitHostPort(listen) ?? {};
  await tryPort(host, Number(port)).catch(explain(host, Number(port), TRY_ANOTHER_LISTEN));
}

async function tryPort(host: string, port: number): Promise<void> {
  const server = createServer().listen(port, host);
  await once(server, "listening");
  server.close();
  await once(server, "close");
}

/** Turns Node's error into one that says which port, why, and what to do. */
function explain(host: string, port: number, instead: string): (error: unknown) => never {
  return (error) => {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    throw new Error(reason(formatHostPort(host, port), port, code, instead) ?? String(error), { cause: error });
  };
}

function reason(address: string, port: number, code: unknown, instead: string): string | undefined {
  switch (code) {
    case "EADDRINUSE":
      return `Port ${port} is taken: another program (an earlier npm start?) listens on ${address}.
  Find it:           ss -ltnp 'sport = :${port}'
  Or use another:    ${instead}`;
    case "EACCES":
      return `Port ${port} is not permitted for this user: ports below 1024 are the system's.
  Use a higher one:  ${instead}`;
    case "EADDRNOTAVAIL":
      return `${address} is not an address of this machine.
  On a Mac, add it:  sudo ifconfig lo0 alias ${address.slice(0, address.lastIndexOf(":"))}
  Or use another:    ${instead}`;
    default:
      return undefined;
  }
}
