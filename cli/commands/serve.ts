import { Command, Option } from "commander";
import workerSource from "worker:source";
import { createLog, LEVELS, type Level } from "../../link/log.ts";
import { Problem } from "../../link/problem.ts";
import { MAX_GRACE_MS } from "../../shared/wire/limits.ts";
import { parseCidr } from "../../shared/address/cidr.ts";
import { parseEdgeUrl } from "../../shared/address/edge-url.ts";
import { formatPorts, parsePorts, sharedPort } from "../../shared/address/ports.ts";
import type { Result } from "../../shared/result.ts";
import { wholeNumber } from "../amount.ts";
import { collect, type Context } from "../context.ts";
import { parseDuration } from "../duration.ts";
import { metricsAddress } from "../../gateway/metrics.ts";
import { bindAddress, listenAddress } from "../serve/address.ts";
import { checkEdge } from "../serve/data-check.ts";
import { serveHint } from "../serve/hint.ts";
import { installEdge, uninstallEdge } from "../serve/install.ts";
import { serve } from "../serve/serve.ts";
import type { ServeOptions } from "../serve/serve-options.ts";

type Options = {
  data?: string;
  listen: string;
  publicUrl?: string;
  bind: string;
  tcp?: string;
  ports?: string;
  udp?: string;
  metrics?: string;
  tlsCert?: string;
  tlsKey?: string;
  trustedProxy: string[];
  shareControlHost?: boolean;
  grace: string;
  webhook?: string;
  logKeep?: number;
  auditKeep?: number;
  keepDays?: number;
  log: "pretty" | "json";
  logLevel: Level;
  check?: boolean;
  install?: boolean;
  uninstall?: boolean;
  start: boolean;
  root: string;
};

/** `sallyport serve --data DIR …` */
export function serveCommand(context: Context): Command {
  return new Command("serve")
    .description("Run the edge on this machine, in workerd, until Ctrl-C.")
    .option("--data <dir>", "where it keeps everything; made at the first start")
    .option("--listen <host:port>", "its HTTP address: agents, commands, API", "127.0.0.1:8787")
    .option("--public-url <url>", "the URL by which agents and administrators reach it")
    .option("--bind <address>", "the address its public ports are opened on", "0.0.0.0")
    .option("--tcp <ports>", "TCP ports the Worker owns while it runs: 8080,8090-8099")
    .option("--ports <ports>", "TCP ports that its gateway may open while it runs, when a mapping wants them")
    .option("--udp <ports>", "UDP ports that its gateway may open when a mapping wants them")
    .option("--metrics <address>", "answer Prometheus about that gateway at ADDRESS:PORT or PORT (loopback)")
    .option("--tls-cert <file>", "certificate chain in PEM: the HTTP address then speaks HTTPS")
    .option("--tls-key <file>", "its private key in PEM")
    .option("--trusted-proxy <cidr>", "a proxy in front whose X-Forwarded-For is believed; repeatable", collect, [])
    .option("--share-control-host", "allow HTTP mappings on the edge's own host; logins by cookie are off there then")
    .option("--grace <time>", "how long streams wait for an agent or client whose connections are lost; 0: not", "60s")
    .option(
      "--webhook <url>",
      "told when a site goes offline or comes back, when a rule or token is about to end, and of refused logins",
    )
    .option("--log-keep <number>", "connections that `sallyport log` remembers; without it, 10000", wholeNumber)
    .option("--audit-keep <number>", "changes that `sallyport audit` remembers; without it, 10000", wholeNumber)
    .option("--keep-days <days>", "forget connections and changes after so many days", wholeNumber)
    .addOption(
      new Option("--log <format>", "how to log")
        .choices(["pretty", "json"])
        .default(process.stderr.isTTY ? "pretty" : "json"),
    )
    .addOption(new Option("--log-level <level>", "what to log").choices(LEVELS).default("info"))
    .option("--check", "say whether all it keeps is whole and can be read, and do nothing else; an edge may be running")
    .option("--install", "make a systemd service of these options, and start it")
    .option("--no-start", "with --install: write the files only")
    .option("--uninstall", "remove that service; its data stays")
    .addOption(new Option("--root <dir>", "write under this folder, and start nothing").default("/").hideHelp())
    .action(async (options: Options) => {
      if (options.uninstall === true) return context.output.out(uninstallEdge(options));
      if (options.check === true) return context.output.out(checkEdge(dataOf(options), tlsOf(options)));
      if (options.install === true) {
        return context.output.out(installEdge(process.argv.slice(2), settings(options, context.env), options));
      }
      const log = createLog({ format: options.log, level: options.logLevel, write: context.output.err });
      const stop = new AbortController();
      for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => stop.abort());
      await serve(settings(options, context.env), stop.signal, log, (reload) => {
        // From a terminal, SIGHUP says that it was closed; from a service manager, that files have changed.
        process.on("SIGHUP", () => (process.stdin.isTTY ? stop.abort() : reload()));
      });
      log("info", "stopped");
    });
}

function settings(options: Options, env: NodeJS.ProcessEnv): ServeOptions {
  const { publicUrl, tcp, trustedProxy, webhook } = options;
  return {
    data: dataOf(options),
    listen: listenAddress(options.listen),
    publicUrl: publicUrl === undefined ? null : accept(parseEdgeUrl(publicUrl), "--public-url").text,
    bind: bindAddress(options.bind),
    tcp: tcp === undefined ? [] : accept(parsePorts(tcp), "--tcp"),
    gateway: gatewayPorts(options),
    metrics: gatewayMetrics(options),
    tls: tlsOf(options),
    graceMs: graceOf(options.grace),
    trustedProxies: trustedProxy.map((cidr) => accept(parseCidr(cidr), "--trusted-proxy").text),
    webhook: webhook === undefined ? null : webhookUrl(webhook),
    retention: retentionVars(options),
    shareControlHost: options.shareControlHost === true,
    hint: serveHint(process.argv.slice(2)),
    worker: workerSource,
    env,
  };
}

function dataOf({ data }: Options): string {
  if (data !== undefined) return data;
  throw Problem.usage("data-missing", "it is not said where the edge keeps everything", "--data DIR");
}

/** How much of the past is to be kept, as the Worker is told; its own defaults where nothing is said. */
function retentionVars({ logKeep, auditKeep, keepDays }: Options): Record<string, string> {
  const values = { LOG_KEEP: logKeep, AUDIT_KEEP: auditKeep, KEEP_DAYS: keepDays };
  return Object.fromEntries(
    Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]])),
  );
}

function gatewayPorts({ tcp = "", ports, udp }: Options): ServeOptions["gateway"] {
  const gateway = {
    tcp: ports === undefined ? [] : accept(parsePorts(ports), "--ports"),
    udp: udp === undefined ? [] : accept(parsePorts(udp), "--udp"),
  };
  const held = parsePorts(tcp);
  const both = held.ok
    ? gateway.tcp.find((range) => held.value.some((each) => sharedPort(each, range) !== undefined))
    : undefined;
  if (both === undefined) return gateway;
  throw Problem.usage(
    "ports-twice",
    `${formatPorts([both])} is in --tcp and in --ports`,
    "give each port once: --tcp for those the Worker holds all the time, --ports for those opened as mappings come",
  );
}

function gatewayMetrics({ ports, udp, metrics }: Options): ServeOptions["metrics"] {
  const address = metricsAddress(metrics);
  if (address === null || ports !== undefined || udp !== undefined) return address;
  throw Problem.usage(
    "metrics-nothing",
    "--metrics is about the built-in gateway, and there is none",
    "--ports or --udp, or scrape the edge itself at /.sallyport/metrics",
  );
}

function graceOf(text: string): number {
  const ms = text === "0" ? 0 : parseDuration(text);
  if (ms <= MAX_GRACE_MS) return ms;
  throw Problem.usage("grace-invalid", `--grace ${text} is too long`, `--grace 0 to ${MAX_GRACE_MS / 60_000}m`);
}

function webhookUrl(text: string): string {
  if (/^https?:\/\/[^\s/]+/.test(text) && URL.canParse(text)) return text;
  throw Problem.usage(
    "webhook-invalid",
    `${JSON.stringify(text)} is no URL that can be told`,
    "--webhook https://HOST/PATH",
  );
}

function accept<T>(result: Result<T>, option: string): T {
  if (result.ok) return result.value;
  throw Problem.usage(result.error.code, `${option}: ${result.error.message}`, result.error.fix ?? "");
}

function tlsOf({ tlsCert, tlsKey }: Options): ServeOptions["tls"] {
  if (tlsCert === undefined && tlsKey === undefined) return null;
  if (tlsCert === undefined || tlsKey === undefined) {
    throw Problem.usage("tls-incomplete", "--tls-cert and --tls-key belong together", "give both, or neither");
  }
  return { certificate: tlsCert, key: tlsKey };
}
