import { lookup } from "node:dns/promises";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls, type PeerCertificate, type TLSSocket } from "node:tls";
import { EXIT } from "../../link/problem.ts";
import { fail, ok, warn, type Finding } from "./finding.ts";

// From this machine to the edge, hop by hop.

const TIMEOUT_MS = 10_000;
/** Days before its end at which a certificate is worth a word. */
const CERTIFICATE_DAYS = 7;

/** Whether the edge's name resolves here. */
export async function checkName(host: string): Promise<Finding> {
  try {
    const found = await lookup(host, { all: true });
    return ok("dns", `${host} is ${found.map(({ address }) => address).join(", ")}`);
  } catch (error) {
    return fail(
      "dns",
      EXIT.unreachable,
      `${host} does not resolve (${codeOf(error)})`,
      "check the DNS servers of this machine, and the name in --edge",
    );
  }
}

/** The agent dials directly: a machine that only reaches the internet by a proxy can't. */
export function checkProxy(env: NodeJS.ProcessEnv): Finding {
  const names = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"].filter(
    (name) => env[name],
  );
  if (names.length === 0) return ok("proxy", "none is set");
  return warn(
    "proxy",
    `${names.join(", ")} is set, but the agent dials the edge directly`,
    "allow this machine to reach the edge's address and port",
  );
}

export async function checkTcp(host: string, port: number): Promise<Finding> {
  const began = performance.now();
  const socket = connectTcp({ host, port });
  try {
    await settled(socket, "connect");
    return ok("tcp", `${host}:${port} answers in ${(performance.now() - began).toFixed(0)} ms`);
  } catch (error) {
    const code = codeOf(error);
    const fix =
      code === "ECONNREFUSED"
        ? "start the edge, or check the port in its URL"
        : "a firewall may block the way out: allow TCP to that address and port";
    return fail("tcp", EXIT.unreachable, `${host}:${port} can't be reached (${code})`, fix);
  } finally {
    socket.destroy();
  }
}

/** The certificate, and whether it is the edge's: boxes that read TLS show one of their own. */
export async function checkTls(host: string, port: number, now: number): Promise<Finding> {
  const socket = connectTls({ host, port, servername: host, rejectUnauthorized: false });
  try {
    await settled(socket, "secureConnect");
    return judged(socket, host, now);
  } catch (error) {
    return fail(
      "tls",
      EXIT.unreachable,
      `no TLS at ${host}:${port} (${codeOf(error)})`,
      "check that the URL's port speaks HTTPS; something in between may break it off",
    );
  } finally {
    socket.destroy();
  }
}

function judged(socket: TLSSocket, host: string, now: number): Finding {
  const certificate = socket.getPeerCertificate();
  const issuer = nameOf(certificate.issuer);
  const ends = Date.parse(certificate.valid_to);
  const what = `${socket.getProtocol()}, certificate of ${nameOf(certificate.subject)} by ${issuer} until ${new Date(ends).toISOString().slice(0, 10)}`;
  if (!socket.authorized) {
    const reason = String(socket.authorizationError);
    const fix = /SELF_SIGNED|UNABLE_TO|ISSUER/.test(reason)
      ? `if a box of your network reads TLS, have it spare ${host}; if ${issuer} is yours, set NODE_EXTRA_CA_CERTS to its certificate`
      : "renew the edge's certificate, and check this machine's clock";
    return fail("tls", EXIT.unreachable, `${what} is not valid here: ${reason}`, fix);
  }
  if (ends - now < CERTIFICATE_DAYS * 86_400_000) return warn("tls", `${what}: it ends soon`, "renew it at the edge");
  return ok("tls", what);
}

function nameOf(name: PeerCertificate["issuer"] | undefined): string {
  return String(name?.O ?? name?.CN ?? "somebody without a name");
}

/** Waits for an event of a socket. Rejects when it fails, or takes too long. */
async function settled(socket: Socket, event: "connect" | "secureConnect"): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    socket.setTimeout(TIMEOUT_MS, () => reject(Object.assign(new Error("no answer"), { code: "no answer in 10 s" })));
    socket.once("error", reject);
    socket.once(event, () => resolve());
  });
}

function codeOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code ?? message;
}
