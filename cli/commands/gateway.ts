import { networkInterfaces } from "node:os";
import { Command, Option } from "commander";
import { parseAddress } from "../../shared/address/address.ts";
import { allows, parseCidr } from "../../shared/address/cidr.ts";
import { all } from "../../shared/result.ts";
import { diallerOf, type DialFlags } from "../../link/dial/options.ts";
import { createLog, LEVELS, type Level } from "../../link/log.ts";
import { Problem } from "../../link/problem.ts";
import { readToken } from "../../gateway/caller-token.ts";
import { collect, withDialFlags, type Context } from "../context.ts";
import { checkedUrl } from "../edge.ts";
import { GatewayToken } from "../../gateway/gateway-token.ts";
import { gateway } from "../../gateway/gateway.ts";
import { parseListenRequest } from "../../gateway/listen-request.ts";
import { metricsAddress } from "../../gateway/metrics.ts";

type Options = DialFlags & {
  token?: string;
  tokenFile?: string;
  edge?: string;
  insecure?: boolean;
  bind?: string[];
  proxyProtocolFrom?: string[];
  metrics?: string;
  log: "pretty" | "json";
  logLevel: Level;
};

/** `sallyport gateway [E[=ADDR]…] --token JWT` */
export function gatewayCommand(context: Context): Command {
  const command = new Command("gateway")
    .description("Open the public TCP and UDP ports of mappings on this machine, which has a public address.")
    .argument(
      "[endpoint...]",
      "as 8080/tcp or 10000-10019/udp=192.0.2.1; without it, every endpoint that the token allows, as mappings change",
    )
    .option("--token <jwt>", "a gateway token, or - to read it from standard input (prefer --token-file)")
    .option("--token-file <file>", "a file with the token")
    .option("--edge <url>", "the edge, if not the one that issued the token")
    .option("--insecure", "allow an edge without TLS on another machine")
    .option("--bind <address>", "an address to listen on; repeatable; without it, all addresses", collect)
    .option(
      "--proxy-protocol-from <cidr>",
      "a load balancer in front, which must send PROXY protocol headers; repeatable",
      collect,
    )
    .option("--metrics <address>", "serve metrics to Prometheus at ADDRESS:PORT, or at PORT on loopback")
    .addOption(
      new Option("--log <format>", "how to log")
        .choices(["pretty", "json"])
        .default(process.stderr.isTTY ? "pretty" : "json"),
    )
    .addOption(new Option("--log-level <level>", "what to log").choices(LEVELS).default("info"));
  return withDialFlags(command).action(async (words: string[], options: Options) => {
    const log = createLog({ format: options.log, level: options.logLevel, write: context.output.err });
    const wanted = words.map(parseListenRequest);
    const { env } = context;
    const file = options.tokenFile ?? (options.token === undefined ? env["SALLYPORT_TOKEN_FILE"] : undefined);
    const held = new GatewayToken(readToken(options, env, log), file || null, env, log);
    const claims = held.claims();
    const url = checkedUrl(options.edge ?? claims.iss, options.insecure === true);
    const edge = new URL(url.replace(/^http/, "ws"));
    const stop = new AbortController();
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => stop.abort());
    await gateway(
      {
        edge,
        dialler: diallerOf({ flags: options, env, log }, edge),
        token: held.token,
        claims: held.claims,
        keep: held.keep,
        wanted,
        bind: (options.bind ?? (claims.bind === "*" ? everywhere() : claims.bind)).map(addressOf),
        isBalancer: balancers(options.proxyProtocolFrom ?? []),
        metrics: metricsAddress(options.metrics),
        log,
      },
      stop.signal,
    );
    log("info", "stopped");
  });
}

/** Returns the wildcard address: `::`, which accepts IPv4 too, where there is IPv6. */
function everywhere(): string[] {
  const hasIpv6 = Object.values(networkInterfaces()).some((each) => each?.some(({ family }) => family === "IPv6"));
  return [hasIpv6 ? "::" : "0.0.0.0"];
}

function addressOf(text: string): string {
  const address = parseAddress(text);
  if (address.ok) return address.value.text;
  throw Problem.usage(address.error.code, `--bind: ${address.error.message}`, address.error.fix ?? "");
}

function balancers(texts: readonly string[]): (address: string) => boolean {
  const cidrs = all(texts, parseCidr);
  if (!cidrs.ok)
    throw Problem.usage(cidrs.error.code, `--proxy-protocol-from: ${cidrs.error.message}`, cidrs.error.fix ?? "");
  return (text) => {
    const address = parseAddress(text);
    return cidrs.value.length > 0 && address.ok && allows(cidrs.value, [], address.value);
  };
}
