import { lookup } from "node:dns/promises";
import { connect as connectTcp, type Socket } from "node:net";
import { shortName } from "../../link/dial/certificate.ts";
import type { Dialler } from "../../link/dial/dialler.ts";
import type { HttpProxy } from "../../link/dial/proxy.ts";
import { FIXES } from "../../link/dial/socket.ts";
import { codeOf, faultOfError } from "../../link/fault.ts";
import { EXIT } from "../../link/problem.ts";
import { fail, ok, warn, type Finding } from "./finding.ts";

// From this machine to the edge, hop by hop.

const TIMEOUT_MS = 10_000;
/** Days before its expiry from which a certificate is reported. */
const CERTIFICATE_DAYS = 7;

/** Where the first connection leads: to the edge, or to a proxy. */
export type FirstHop = { host: string; port: number; what: "edge" | "proxy" };

/** Checks that the name of the edge, or of the proxy before it, resolves on this machine. */
export async function checkName({ host, what }: FirstHop): Promise<Finding> {
  try {
    const found = await lookup(host, { all: true });
    return ok("dns", `${host} is ${found.map(({ address }) => address).join(", ")}`);
  } catch (error) {
    return fail(
      "dns",
      EXIT.unreachable,
      `${host} does not resolve (${codeOf(error as Error)})`,
      `check the DNS servers of this machine, and the name in --${what}`,
    );
  }
}

const VARIABLES = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];

/** Tells through which proxy the edge is dialled. */
export function checkProxy(proxy: HttpProxy | null, env: NodeJS.ProcessEnv): Finding {
  if (proxy !== null) return ok("proxy", `the edge is dialled through ${proxy.name}`);
  const names = VARIABLES.filter((name) => env[name]);
  if (names.length === 0) return ok("proxy", "none is set");
  const why = "NO_PROXY or --proxy none exempts it, it is on this machine, or they are for another scheme";
  return ok("proxy", `${names.join(", ")} is set, but not for this edge: ${why}`);
}

/** Checks that the proxy connects to the edge. */
export async function checkConnect(dialler: Dialler, edge: URL): Promise<Finding> {
  try {
    await dialler.tryReach(edge);
    return ok("connect", `the proxy connects to ${edge.host}`);
  } catch (error) {
    return failed("connect", error);
  }
}

export async function checkTcp({ host, port, what }: FirstHop): Promise<Finding> {
  const began = performance.now();
  const socket = connectTcp({ host, port });
  try {
    await settled(socket);
    return ok("tcp", `${host}:${port} answers in ${(performance.now() - began).toFixed(0)} ms`);
  } catch (error) {
    const code = codeOf(error as Error);
    const fix =
      code === "ECONNREFUSED"
        ? `start the ${what}, or check the port in its URL`
        : "a firewall may block it: allow TCP to that address and port";
    return fail("tcp", EXIT.unreachable, `${host}:${port} can't be reached (${code})`, fix);
  } finally {
    socket.destroy();
  }
}

/** Checks the certificate: boxes that inspect TLS show one of their own instead of the edge's. */
export async function checkTls(dialler: Dialler, edge: URL, now: number): Promise<Finding> {
  try {
    const { shown, problem } = await dialler.inspect(edge);
    const { subject, issuer, valid_to } = shown.getPeerCertificate();
    const protocol = shown.getProtocol();
    shown.destroy();
    const ends = Date.parse(valid_to);
    const until = new Date(ends).toISOString().slice(0, 10);
    const what = `${protocol}, certificate of ${shortName(subject)} by ${shortName(issuer)} until ${until}`;
    if (problem !== null) return fail("tls", EXIT.unreachable, `${what}: it ${problem.text}`, FIXES[problem.kind]);
    if (ends - now < CERTIFICATE_DAYS * 86_400_000)
      return warn("tls", `${what}: it expires soon`, "renew it at the edge");
    return ok("tls", what);
  } catch (error) {
    return failed("tls", error);
  }
}

function failed(check: string, error: unknown): Finding {
  const { reason, fix = "the checks above say more" } = faultOfError(error as Error);
  return fail(check, EXIT.unreachable, reason, fix);
}

/** Waits for a connection. Rejects when it fails, or takes too long. */
async function settled(socket: Socket): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    socket.setTimeout(TIMEOUT_MS, () => reject(Object.assign(new Error("no answer"), { code: "no answer in 10 s" })));
    socket.once("error", reject);
    socket.once("connect", () => resolve());
  });
}
