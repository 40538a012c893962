import type { Socket } from "node:net";
import type { SecureContext, TLSSocket } from "node:tls";
import { formatHostPort } from "../../shared/address/socket-address.ts";
import { codeOf, DialError, faultOfError, retryableFault } from "../fault.ts";
import { certificateProblem, type CertificateProblem } from "./certificate.ts";
import { unbracketed } from "./no-proxy.ts";
import { isSecure, portOf, type HttpProxy, type ProxyChoice } from "./proxy.ts";
import { handshake, openTcp, openTls, type Hop } from "./socket.ts";
import { Trust } from "./trust.ts";
import { tunnel } from "./tunnel.ts";

const TIMEOUT_MS = 10_000;

export type DiallerOptions = {
  proxy?: ProxyChoice;
  trust?: Trust;
  /** Milliseconds from the first packet to the end of the last handshake. */
  timeoutMs?: number;
};

/** The maker of all connections to an edge: directly or through a proxy, over TLS if the URL says so, and only to trusted certificates. */
export class Dialler {
  /** Returns the proxy for an edge; null: none. Throws Problem when the proxy's URL is malformed. */
  readonly proxyFor: ProxyChoice;
  readonly trust: Trust;
  readonly #timeoutMs: number;

  /** Without options, the dialler uses no proxy and trusts the default authorities. */
  constructor({ proxy = () => null, trust = new Trust(), timeoutMs = TIMEOUT_MS }: DiallerOptions = {}) {
    this.proxyFor = proxy;
    this.trust = trust;
    this.#timeoutMs = timeoutMs;
  }

  /** Opens a connection over which a token may be sent. Throws DialError, also when `signal` aborts. */
  async connect(edge: URL, signal: AbortSignal): Promise<Socket> {
    const { context } = this.trust;
    const deadline = this.#late(signal);
    try {
      const socket = await this.#reach(edge, context, deadline);
      return isSecure(edge) ? await openTls(socket, hopOf(edge), context, deadline) : socket;
    } catch (error) {
      const isUnknown = error instanceof DialError && error.fault.code === "tls-issuer";
      if (isUnknown && this.trust.addSystemStore(context)) return this.connect(edge, signal);
      throw error;
    }
  }

  /** Connects to the edge's port, and hangs up. Throws DialError. */
  async tryReach(edge: URL): Promise<void> {
    const socket = await this.#reach(edge, this.trust.context, this.#late());
    socket.destroy();
  }

  /** Opens TLS to an edge only to inspect its certificate, which may be untrusted: send nothing over it. Throws DialError. */
  async inspect(edge: URL): Promise<{ shown: TLSSocket; problem: CertificateProblem | null }> {
    const { context } = this.trust;
    const deadline = this.#late();
    const hop = hopOf(edge);
    const shown = await handshake(await this.#reach(edge, context, deadline), hop, context, deadline);
    const problem = certificateProblem(shown, hop.host);
    if (problem?.kind !== "issuer" || !this.trust.addSystemStore(context)) return { shown, problem };
    shown.destroy();
    return this.inspect(edge);
  }

  async #reach(edge: URL, context: SecureContext | undefined, signal: AbortSignal): Promise<Socket> {
    const hop = hopOf(edge);
    const proxy = this.proxyFor(edge);
    if (proxy === null) return openTcp(hop, signal, faultOfError);
    const plain = await openTcp(proxy, signal, (error) => unreachable(proxy, error));
    const socket = proxy.isTls ? await openTls(plain, proxy, context, signal) : plain;
    return tunnel(socket, proxy, hop.name, signal);
  }

  #late(signal?: AbortSignal): AbortSignal {
    const deadline = AbortSignal.timeout(this.#timeoutMs);
    return signal === undefined ? deadline : AbortSignal.any([signal, deadline]);
  }
}

function hopOf(edge: URL): Hop {
  const [host, port] = [unbracketed(edge.hostname), portOf(edge)];
  return { host, port, name: formatHostPort(host, port) };
}

/** Describes why a proxy can't be reached. */
function unreachable({ name }: HttpProxy, error: Error) {
  const code = codeOf(error);
  switch (faultOfError(error).code) {
    case "unresolved":
      return retryableFault(
        "proxy-unresolved",
        `the name of ${name} does not resolve (${code})`,
        0,
        "check the name, and DNS",
      );
    case "refused":
      return retryableFault("proxy-refused", `nothing listens at ${name} (${code})`, 0, "check its address and port");
    default:
      return retryableFault(
        "proxy-unreachable",
        `${name} can't be reached (${code})`,
        0,
        "check its address, and the firewalls before it",
      );
  }
}
