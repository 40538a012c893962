import http from "node:http";
import net from "node:net";
import type { Duplex } from "node:stream";
import tls from "node:tls";
import type { Failure } from "../../shared/wire/errors.ts";
import { DIAL_TIMEOUT_MS } from "../../shared/wire/limits.ts";
import { formatHostPort } from "../../shared/address/socket-address.ts";
import type { Target } from "../../shared/address/target.ts";
import { judge, mayConnect, type TargetPolicy } from "../policy.ts";
import { failureOf } from "./dial.ts";
import type { HttpDialOptions } from "./http-options.ts";

/** Idle connections kept to one target. */
const MAX_IDLE = 64;
/** Milliseconds an idle connection is kept: less than most servers keep it. A shorter time in the server's Keep-Alive header counts first. */
const IDLE_MS = 30_000;
const KEEPALIVE_MS = 30_000;

/** Why there is no connection to a target, as a failure of the protocol. */
export class DialError extends Error {
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.reason);
    this.name = "DialError";
    this.failure = failure;
  }
}

type Dialled = (error: Error | null, socket?: Duplex) => void;

/** The kept-alive connections to one target, with the options of one mapping. Mappings share no connections. */
export class TargetPool extends http.Agent {
  readonly #target: Target;
  readonly #options: HttpDialOptions;
  readonly #policy: TargetPolicy;
  #isRetired = false;

  constructor(target: Target, options: HttpDialOptions, policy: TargetPolicy) {
    super({
      keepAlive: true,
      keepAliveMsecs: KEEPALIVE_MS,
      maxFreeSockets: MAX_IDLE,
      scheduling: "lifo",
      timeout: IDLE_MS,
    });
    this.#target = target;
    this.#options = options;
    this.#policy = policy;
  }

  /** The target's own HOST[:PORT], for mappings that send it as Host. */
  get authority(): string {
    const target = this.#target;
    if (target.kind !== "http") return "localhost";
    return target.port === (target.scheme === "https" ? 443 : 80)
      ? formatHost(target.host)
      : formatHostPort(target.host, target.port);
  }

  get scheme(): "http" | "https" {
    return this.#target.kind === "http" ? this.#target.scheme : "http";
  }

  /** Closes idle connections, and keeps no others from now on; those in use end with their streams. */
  retire(): void {
    this.#isRetired = true;
    for (const sockets of Object.values(this.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
  }

  // All requests of this pool go to one target, whatever their Host is.
  override getName(): string {
    return "";
  }

  // oxlint-disable-next-line typescript/no-explicit-any -- as @types/node has it
  override createConnection(_options: unknown, callback?: any): undefined {
    const dialled = callback as Dialled;
    this.#dial().then(
      (socket) => dialled(null, socket),
      (error: unknown) => dialled(error instanceof Error ? error : new Error(String(error))),
    );
    return undefined;
  }

  /** Keeps an idle connection, unless the target sends anything on it: the next visitor must not get that as an answer. */
  override keepSocketAlive(socket: Duplex): boolean {
    if (this.#isRetired) return false;
    const kept = super.keepSocketAlive(socket) as unknown as boolean;
    if (kept) socket.on("data", refuseUnasked);
    return kept;
  }

  override reuseSocket(socket: Duplex, request: http.ClientRequest): void {
    socket.removeListener("data", refuseUnasked);
    super.reuseSocket(socket, request);
  }

  async #dial(): Promise<Duplex> {
    const target = this.#target;
    switch (target.kind) {
      case "http+unix":
        if (!mayConnect(this.#policy, target.path)) {
          throw new DialError({ code: "target-denied", reason: `unix:${target.path} is not in the agent's --allow` });
        }
        return connected(net.connect({ path: target.path }), "connect", target.path);
      case "http": {
        const judged = await judge(this.#policy, target.host, target.port);
        if (!judged.ok) throw new DialError(judged.failure);
        const where = formatHostPort(target.host, target.port);
        const all = judged.addresses.map(({ text, version }) => ({ address: text, family: version }));
        // Only judged addresses are dialled: the connection has no other resolver than this.
        const lookup: net.LookupFunction = (_host, options, callback) => {
          const [first] = all;
          if (options.all === true) callback(null, all);
          else callback(null, first?.address ?? "", first?.family);
        };
        const only = judged.addresses.length === 1 ? judged.addresses[0]?.text : undefined;
        const plain = net.connect({
          host: only ?? target.host,
          port: target.port,
          lookup,
          autoSelectFamily: true,
          noDelay: true,
          keepAlive: true,
          keepAliveInitialDelay: KEEPALIVE_MS,
        });
        const socket = await connected(plain, "connect", where);
        return target.scheme === "http" ? socket : this.#secured(socket, target.host, where);
      }
      case "port":
      case "unix":
        throw new DialError({ code: "target-denied", reason: "not a target of an HTTP endpoint" });
    }
  }

  async #secured(socket: net.Socket, host: string, where: string): Promise<Duplex> {
    const { tlsVerify, ca, sni } = this.#options;
    const name = sni ?? host;
    const secure = tls.connect({
      socket,
      ...(net.isIP(name) === 0 ? { servername: name } : {}),
      // Without SNI, for an address, Node checks the certificate for this host.
      host: name,
      rejectUnauthorized: tlsVerify,
      ...(ca === null ? {} : { ca }),
      ALPNProtocols: ["http/1.1"],
    });
    try {
      return await connected(secure, "secureConnect", where);
    } catch (error) {
      socket.destroy();
      throw error instanceof DialError ? tlsError(error) : error;
    }
  }
}

function refuseUnasked(this: Duplex): void {
  this.destroy();
}

function connected<T extends net.Socket>(socket: T, event: "connect" | "secureConnect", where: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const fail = (failure: Failure, cause?: Error): void => {
      clearTimeout(timer);
      socket.destroy();
      reject(Object.assign(new DialError(failure), { cause }));
    };
    const timer = setTimeout(
      () => fail({ code: "target-timeout", reason: `${where} did not answer in ${DIAL_TIMEOUT_MS / 1000} s` }),
      DIAL_TIMEOUT_MS,
    );
    // It stays for the life of the socket: an error without a listener ends the process.
    socket.on("error", (error) => fail(failureOf(error, where), error));
    socket.once("close", () => fail({ code: "target-reset", reason: `${where} broke the connection off` }));
    socket.once(event, () => {
      clearTimeout(timer);
      resolve(socket);
    });
  });
}

/** Describes what went wrong in TLS, without the target's address, because a visitor may read it. */
function tlsError(error: DialError): DialError {
  const cause = error.cause as NodeJS.ErrnoException | undefined;
  if (cause === undefined && error.failure.code === "target-timeout") return error;
  return new DialError({ code: "target-tls", reason: TLS_REASONS[cause?.code ?? ""] ?? plainReason(cause) });
}

const TLS_REASONS: Record<string, string> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is self-signed",
  SELF_SIGNED_CERT_IN_CHAIN: "its certificate is issued by an authority that is not trusted",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "its certificate is issued by an authority that is not known",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "its certificate is issued by an authority that is not known",
  UNABLE_TO_GET_ISSUER_CERT: "its certificate is issued by an authority that is not known",
  CERT_HAS_EXPIRED: "its certificate has expired",
  CERT_NOT_YET_VALID: "its certificate is not valid yet",
  CERT_SIGNATURE_FAILURE: "its certificate is not signed by the authority that it names",
  ERR_TLS_CERT_ALTNAME_INVALID: "its certificate is for another name",
  ECONNRESET: "it ended the connection during the handshake",
  EPROTO: "it has no version or cipher of TLS in common with the agent",
};

function plainReason(cause: NodeJS.ErrnoException | undefined): string {
  const code = cause?.code ?? "";
  if (/WRONG_VERSION_NUMBER|PACKET_LENGTH|HTTP_REQUEST/.test(code)) return "it does not speak TLS";
  return code === "" ? "it ended the connection during the handshake" : `the handshake failed (${code})`;
}

function formatHost(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}
