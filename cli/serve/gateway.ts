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

/** Milliseconds between tries, and between looks for new sites: the edge is on this machine. */
const POLL_MS = 1_000;
/** Seconds that the admin token lives which asks for the gateway's. */
const LOGIN_LIFE_S = 60;

/** Dials the edge on this machine, whatever address it listens on and whatever proxies the environment names. */
const LOCAL_DIALLER = new Dialler();

export type BuiltInGateway = {
  /** Plain URL of the edge on this machine. */
  edge: string;
  gateway: { tcp: Ports; udp: Ports };
  bind: string;
  /** Where it answers Prometheus; null: nowhere. */
  metrics: SocketAddress | null;
  secret: string;
  /** Where its token is kept. */
  file: string;
};

/** The gateway in the launcher: opens its ports live, as mappings want them. Never throws: the edge goes on without it. */
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
      // Nobody has logged in yet: there are no mappings either.
      const isEarly = error instanceof Problem && error.code === "url-unknown";
      const reason = error instanceof Error ? error.message : String(error);
      if (!isEarly && reason !== lastReason) log("warn", "gateway: no ports for now", { reason });
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

/** Asks for a token of these very ports, with the admin secret; an older one of ours is not needed any more. */
async function issue({ edge, secret, file }: BuiltInGateway, endpoints: readonly string[]): Promise<string> {
  // Whatever address the edge listens on: the way to it does not leave this machine.
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
