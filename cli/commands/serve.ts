import { readFileSync } from "node:fs";
import { Command, Option } from "commander";
import workerSource from "worker:source";
import { createLog, LEVELS, type Level } from "../../link/log.ts";
import { Problem } from "../../link/problem.ts";
import { parseCidr } from "../../shared/cidr.ts";
import { parseEdgeUrl } from "../../shared/edge-url.ts";
import { parsePorts } from "../../shared/ports.ts";
import type { Result } from "../../shared/result.ts";
import { collect, type Context } from "../context.ts";
import { bindAddress, listenAddress } from "../serve/address.ts";
import { serveHint } from "../serve/hint.ts";
import { serve, type ServeOptions } from "../serve/serve.ts";

type Options = {
  data: string;
  listen: string;
  publicUrl?: string;
  bind: string;
  tcp?: string;
  tlsCert?: string;
  tlsKey?: string;
  trustedProxy: string[];
  log: "pretty" | "json";
  logLevel: Level;
};

/** `sallyport serve --data DIR …` */
export function serveCommand(context: Context): Command {
  return new Command("serve")
    .description("Run the edge on this machine, in workerd, until Ctrl-C.")
    .requiredOption("--data <dir>", "where it keeps everything; made at the first start")
    .option("--listen <host:port>", "its HTTP address: agents, commands, API", "127.0.0.1:8787")
    .option("--public-url <url>", "the URL by which agents and administrators reach it")
    .option("--bind <address>", "the address its public ports are opened on", "0.0.0.0")
    .option("--tcp <ports>", "TCP ports the Worker owns while it runs: 8080,8090-8099")
    .option("--tls-cert <file>", "certificate chain in PEM: the HTTP address then speaks HTTPS")
    .option("--tls-key <file>", "its private key in PEM")
    .option("--trusted-proxy <cidr>", "a proxy in front whose X-Forwarded-For is believed; repeatable", collect, [])
    .addOption(
      new Option("--log <format>", "how to log")
        .choices(["pretty", "json"])
        .default(process.stderr.isTTY ? "pretty" : "json"),
    )
    .addOption(new Option("--log-level <level>", "what to log").choices(LEVELS).default("info"))
    .action(async (options: Options) => {
      const log = createLog({ format: options.log, level: options.logLevel, write: context.output.err });
      const stop = new AbortController();
      for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => stop.abort());
      await serve(settings(options, context.env), stop.signal, log);
      log("info", "stopped");
    });
}

function settings(options: Options, env: NodeJS.ProcessEnv): ServeOptions {
  const { data, publicUrl, tcp, trustedProxy } = options;
  return {
    data,
    listen: listenAddress(options.listen),
    publicUrl: publicUrl === undefined ? null : accept(parseEdgeUrl(publicUrl), "--public-url").text,
    bind: bindAddress(options.bind),
    tcp: tcp === undefined ? [] : accept(parsePorts(tcp), "--tcp"),
    tls: tlsOf(options),
    trustedProxies: trustedProxy.map((cidr) => accept(parseCidr(cidr), "--trusted-proxy").text),
    hint: serveHint(process.argv.slice(2)),
    worker: workerSource,
    env,
  };
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
  return { certificate: readPem(tlsCert), key: readPem(tlsKey) };
}

function readPem(file: string): string {
  try {
    const text = readFileSync(file, "utf8");
    if (text.includes("-----BEGIN ")) return text;
  } catch (error) {
    throw Problem.configuration(
      "tls-unreadable",
      error instanceof Error ? error.message : String(error),
      "check the path and its owner",
    );
  }
  throw Problem.configuration(
    "tls-unreadable",
    `${file} is not PEM`,
    "convert it: openssl x509 -inform der -in FILE, or openssl pkey",
  );
}
