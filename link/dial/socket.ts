import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls, type SecureContext, type TLSSocket } from "node:tls";
import { DialError, faultOfError, retryableFault, SLOW_MS, type RetryableFault } from "../fault.ts";
import { certificateProblem, type CertificateProblem } from "./certificate.ts";

/** Where a connection leads: to an edge or a proxy. `name` is for messages; an IPv6 `host` has no brackets. */
export type Hop = { host: string; port: number; name: string };

/** Milliseconds for a TCP connection: the kernel repeats a SYN after 1 and 3 s, and then only after 7 s, when a new dial is faster. */
const CONNECT_MS = 5_000;

/** Opens a TCP connection. Throws DialError with what `faultOf` makes of the error. */
export async function openTcp(
  hop: Hop,
  signal: AbortSignal,
  faultOf: (error: Error) => RetryableFault,
): Promise<Socket> {
  const { host, port, name } = hop;
  try {
    const late = AbortSignal.any([signal, AbortSignal.timeout(CONNECT_MS)]);
    return await settled(connectTcp({ host, port, noDelay: true }), "connect", name, late);
  } catch (error) {
    throw new DialError(faultOf(error as Error));
  }
}

/** Opens TLS over a connection without judging the certificate: send nothing before `certificateProblem` has judged it. Throws DialError. */
export async function handshake(
  socket: Socket,
  { host, name }: Hop,
  context: SecureContext | undefined,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const secure = connectTls({
    socket,
    host,
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(context === undefined ? {} : { secureContext: context }),
    ALPNProtocols: ["http/1.1"],
    // Node would end the connection before its certificate could be read. `openTls` ends it instead, and says why.
    rejectUnauthorized: false,
  });
  try {
    return await settled(secure, "secureConnect", name, signal);
  } catch (error) {
    const { code, afterMs } = faultOfError(error as Error);
    throw new DialError(
      retryableFault(
        code === "refused" ? "unreachable" : code,
        `the TLS handshake with ${name} failed: ${(error as Error).message}`,
        afterMs,
        "check that this port speaks HTTPS; a firewall or proxy in between may end the connection",
      ),
    );
  }
}

/** Opens TLS over a connection, and closes it if the certificate is not trusted. Throws DialError. */
export async function openTls(
  socket: Socket,
  hop: Hop,
  context: SecureContext | undefined,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const secure = await handshake(socket, hop, context, signal);
  const problem = certificateProblem(secure, hop.host);
  if (problem === null || process.env["NODE_TLS_REJECT_UNAUTHORIZED"] === "0") return secure;
  secure.destroy();
  const { kind, text } = problem;
  const code = kind === "other" ? "tls" : (`tls-${kind}` as const);
  throw new DialError(retryableFault(code, `the certificate of ${hop.name} ${text}`, SLOW_MS, FIXES[kind]));
}

/** What to do about an untrusted certificate. */
export const FIXES: Readonly<Record<CertificateProblem["kind"], string>> = {
  issuer:
    "if this network inspects TLS, or the authority is your own, export its certificate as PEM and name it: --ca FILE " +
    "(docs/operations.md, Corporate networks); if it is a public authority, the edge has to send its whole chain (fullchain.pem)",
  name: "check the URL, and the names in the certificate; a captive portal shows its own: open a web page on this network",
  expired: "renew it; if it is valid elsewhere, set this machine's clock: timedatectl set-ntp true",
  early: "set this machine's clock: timedatectl set-ntp true",
  other: "renew it, or have it issued again",
};

/** Waits for `work` on a socket. When `signal` aborts, it destroys the socket, which makes `work` fail. */
export async function within<T>(signal: AbortSignal, socket: Socket, name: string, work: Promise<T>): Promise<T> {
  const late = (): void => {
    socket.destroy(Object.assign(new Error(`${name} did not answer in time`), { code: "ETIMEDOUT" }));
  };
  if (signal.aborted) late();
  signal.addEventListener("abort", late, { once: true });
  try {
    return await work;
  } finally {
    signal.removeEventListener("abort", late);
  }
}

function settled<S extends Socket>(
  socket: S,
  event: "connect" | "secureConnect",
  name: string,
  signal: AbortSignal,
): Promise<S> {
  const work = new Promise<S>((resolve, reject) => {
    // The listener stays for the life of the socket: an error without one ends the process.
    socket.on("error", reject);
    socket.once("close", () => reject(new Error(`${name} broke the connection off`)));
    socket.once(event, () => resolve(socket));
  });
  return within(signal, socket, name, work);
}
