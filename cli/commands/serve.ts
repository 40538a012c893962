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
    .option("--data <dir>", "the folder for all its data; made at the first start")
    .option("--listen <host:port>", "the HTTP address for agents, commands and the API", "127.0.0.1:8787")
    .option("--public-url <url>", "the URL at which agents and admins reach the edge")
    .option("--bind <address>", "the address to open public ports on", "0.0.0.0")
    .option("--tcp <ports>", "TCP ports to hold open all the time: 8080,8090-8099")
    .option("--ports <ports>", "TCP ports that the built-in gateway may open when a mapping needs them")
    .option("--udp <ports>", "UDP ports that the built-in gateway may open when a mapping needs them")
    .option("--metrics <address>", "serve that gateway's metrics to Prometheus at ADDRESS:PORT, or at PORT on loopback")
    .option("--tls-cert <file>", "a certificate chain in PEM; the HTTP address then serves HTTPS")
    .option("--tls-key <file>", "the certificate's private key in PEM")
    .option("--trusted-proxy <cidr>", "a proxy in front whose X-Forwarded-For is trusted; repeatable", collect, [])
    .option("--share-control-host", "allow HTTP mappings on the edge's own host; turns off logins by cookie there")
    .option(
      "--grace <time>",
      "how long a stream waits for an agent or client that lost its connection; 0: not at all",
      "60s",
    )
    .option(
      "--webhook <url>",
      "a URL to notify when a site goes offline or comes back, when a mapping or token is about to expire, and of refused logins",
    )
    .option("--log-keep <number>", "how many connections to keep for `sallyport log`; without it, 10000", wholeNumber)
    .option("--audit-keep <number>", "how many changes to keep for `sallyport audit`; without it, 10000", wholeNumber)
    .option("--keep-days <days>", "delete connections and changes after this many days", wholeNumber)
    .addOption(
      new Option("--log <format>", "how to log")
        .choices(["pretty", "json"])
        .default(process.stderr.isTTY ? "pretty" : "json"),
    )
    .addOption(new Option("--log-level <level>", "what to log").choices(LEVELS).default("info"))
    .option("--check", "only check whether the data is complete and readable; the edge may be running")
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
        // SIGHUP from a terminal means that it was closed; from a service manager, that files have changed.
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
  throw Problem.usage("data-missing", "no data folder was given", "give --data DIR: the edge keeps everything in it");
}

/** Makes the Worker's variables for how much history it keeps; the Worker has defaults for those not given. */
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
    `${formatPorts([both])} in --ports overlaps --tcp ${tcp}`,
    "give each port once: in --tcp to hold it open all the time, in --ports to open it when a mapping needs it",
  );
}

function gatewayMetrics({ ports, udp, metrics }: Options): ServeOptions["metrics"] {
  const address = metricsAddress(metrics);
  if (address === null || ports !== undefined || udp !== undefined) return address;
  throw Problem.usage(
    "metrics-nothing",
    "--metrics is for the built-in gateway, which runs only with --ports or --udp",
    "add --ports or --udp, or scrape the edge itself at /.sallyport/metrics",
  );
}

function graceOf(text: string): number {
  const ms = text === "0" ? 0 : parseDuration(text);
  if (ms <= MAX_GRACE_MS) return ms;
  throw Problem.usage(
    "grace-invalid",
    `--grace ${text} is longer than ${MAX_GRACE_MS / 60_000}m`,
    `give --grace 0 to ${MAX_GRACE_MS / 60_000}m`,
  );
}

function webhookUrl(text: string): string {
  if (/^https?:\/\/[^\s/]+/.test(text) && URL.canParse(text)) return text;
  throw Problem.usage(
    "webhook-invalid",
    `--webhook: ${JSON.stringify(text)} is not an http or https URL`,
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
    throw Problem.usage(
      "tls-incomplete",
      `${tlsCert === undefined ? "--tls-cert" : "--tls-key"} is missing`,
      "give both --tls-cert and --tls-key, or neither",
    );
  }
  return { certificate: tlsCert, key: tlsKey };
}
