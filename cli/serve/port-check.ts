import { createServer, type Server } from "node:net";
import { formatHostPort } from "../../shared/address/socket-address.ts";
import { Problem } from "../../link/problem.ts";
import type { Address } from "./address.ts";

type Unavailable = { address: Address; code: string };

const MEANINGS: Record<string, string> = {
  EADDRINUSE: "in use by another program",
  EACCES: "not allowed for this user",
  EADDRNOTAVAIL: "not an address of this machine",
};

/**
 * Tries to listen on every address before anything is started; on all at the same time, so that two that collide are found too.
 * Throws one Problem(port-taken) that names each address that is not available.
 */
export async function checkPorts(addresses: readonly Address[]): Promise<void> {
  const results = await Promise.all(addresses.map(tryListen));
  await Promise.all(results.filter((result) => "server" in result).map(({ server }) => close(server)));
  const unavailable = results.filter((result) => "code" in result);
  if (unavailable.length > 0) throw portProblem(unavailable);
}

function tryListen(address: Address): Promise<{ server: Server } | Unavailable> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => resolve({ address, code: error.code ?? "unknown" }));
    server.listen({ port: address.port, host: address.host }, () => resolve({ server }));
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}

function portProblem(unavailable: readonly Unavailable[]): Problem {
  const lines = unavailable.map(
    ({ address, code }) =>
      `${formatHostPort(address.host, address.port)} is ${MEANINGS[code] ?? `not available (${code})`}`,
  );
  const codes = new Set(unavailable.map(({ code }) => code));
  const fixes: string[] = [];
  if (codes.has("EADDRINUSE")) {
    const port = unavailable.find(({ code }) => code === "EADDRINUSE")?.address.port;
    fixes.push(
      `find the program (ss -ltnp 'sport = :${port}') and stop it, or choose other ports with --tcp and --listen`,
    );
  }
  if (codes.has("EACCES"))
    fixes.push("use ports from 1024 up, or allow the lower ones: sysctl net.ipv4.ip_unprivileged_port_start=0");
  if (codes.has("EADDRNOTAVAIL")) fixes.push("give an address of this machine with --bind and --listen");
  return Problem.configuration(
    "port-taken",
    lines.join("\n"),
    fixes.join("; ") || "choose other ports with --tcp and --listen",
  );
}
