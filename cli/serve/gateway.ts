import { readFileSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { Dialler } from "../../link/dial/dialler.ts";
import { EXIT, Problem } from "../../link/problem.ts";
import type { Log } from "../../link/log.ts";
import type { IssuedView } from "../../shared/rule/api.ts";
import { formatPortRange, type Ports } from "../../shared/address/ports.ts";
import type { SocketAddress } from "../../shared/address/socket-address.ts";
import { claimsOf } from "../../gateway/caller-token.ts";
import { openEdge } from "../edge.ts";
import { GatewayToken } from "../../gateway/gateway-token.ts";
import { gateway } from "../../gateway/gateway.ts";

/** Milliseconds between attempts, and between checks for new sites; short because the edge is on this machine. */
const POLL_MS = 1_000;
/** The life, in seconds, of the admin token with which the gateway's token is requested. */
const LOGIN_LIFE_S = 60;

/** Dials the edge on this machine; never uses a proxy of the environment. */
const LOCAL_DIALLER = new Dialler();

export type BuiltInGateway = {
  /** The unencrypted URL of the edge on this machine. */
  edge: string;
  gateway: { tcp: Ports; udp: Ports };
  bind: string;
  /** Where it serves metrics to Prometheus; null: nowhere. */
  metrics: SocketAddress | null;
  secret: string;
  /** The file with its token. */
  file: string;
};

/** Runs the launcher's gateway, which opens ports as mappings need them, until `signal`. Never throws: the edge works without it. */
export async function runGateway(options: BuiltInGateway, signal: AbortSignal, log: Log): Promise<void> {
  const { edge, bind, metrics, file } = options;
  const endpoints = endpointsOf(options.gateway);
  if (endpoints.length === 0) return;
  let token = read(file);
  let lastReason = "";
  while (!signal.aborted) {
    try {
      if (token === undefined || !isFor(token, endpoints)) token = await issue(options, endpoints);
      const held = new GatewayToken(token, file, {}, log);
      await gateway(
        {
          edge: new URL(edge.replace(/^http/, "ws")),
          dialler: LOCAL_DIALLER,
          token: held.token,
          claims: held.claims,
          keep: held.keep,
          wanted: [],
          bind: [bind],
          isBalancer: () => false,
          lookMs: POLL_MS,
          metrics,
          log: (level, message, fields) => message !== "ready" && log(level, `gateway: ${message}`, fields),
        },
        signal,
      );
    } catch (error) {
      if (error instanceof Problem && error.exit === EXIT.token) token = undefined;
      // The edge knows no URL before the first login; there are no mappings yet either.
      const isEarly = error instanceof Problem && error.code === "url-unknown";
      const reason = error instanceof Error ? error.message : String(error);
      if (!isEarly && reason !== lastReason) log("warn", "gateway: no ports open, retrying", { reason });
      lastReason = reason;
    }
    await sleep(POLL_MS, undefined, { signal }).catch(() => {});
  }
}

function endpointsOf({ tcp, udp }: BuiltInGateway["gateway"]): string[] {
  return [
    ...tcp.map((range) => `${formatPortRange(range)}/tcp`),
    ...udp.map((range) => `${formatPortRange(range)}/udp`),
  ];
}

/** Requests a gateway token for exactly these ports, with the admin secret, and revokes the one in `file`. Throws Problem. */
async function issue({ edge, secret, file }: BuiltInGateway, endpoints: readonly string[]): Promise<string> {
  // `insecure` whatever address the edge listens on: the connection does not leave this machine.
  const connection = { url: edge, insecure: true, dialler: LOCAL_DIALLER };
  const login = await openEdge({ ...connection, token: null }).call<IssuedView>("POST", "/login", {
    secret,
    life: LOGIN_LIFE_S,
  });
  const admin = openEdge({ ...connection, token: login.token });
  const former = read(file);
  const { token } = await admin.call<IssuedView>("POST", "/tokens", { kind: "gateway", endpoints });
  writeFileSync(file, token, { mode: 0o600 });
  if (former !== undefined) {
    const { jti } = claimsOf("gateway", former);
    await admin.call("DELETE", `/tokens/${encodeURIComponent(jti)}`).catch(() => {});
  }
  return token;
}

function isFor(token: string, endpoints: readonly string[]): boolean {
  try {
    const { endpoints: scope, exp } = claimsOf("gateway", token);
    const fresh = exp * 1000 - Date.now() > 30 * 24 * 3600_000;
    return fresh && scope !== "*" && scope.join(" ") === endpoints.join(" ");
  } catch {
    return false;
  }
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8").trim();
  } catch {
    return undefined;
  }
}
