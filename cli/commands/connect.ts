import { Command, Option } from "commander";
import { diallerOf, type DialFlags } from "../../link/dial/options.ts";
import { createLog, LEVELS, type Level } from "../../link/log.ts";
import { claimsOf, readToken } from "../../gateway/caller-token.ts";
import { connect, connectStdio } from "../connect.ts";
import { withDialFlags, type Context } from "../context.ts";
import { checkedUrl } from "../edge.ts";
import { parseListenRequest } from "../../gateway/listen-request.ts";
import { metricsAddress } from "../../gateway/metrics.ts";

type Options = DialFlags & {
  token?: string;
  tokenFile?: string;
  edge?: string;
  insecure?: boolean;
  stdio?: boolean;
  metrics?: string;
  log: "pretty" | "json";
  logLevel?: Level;
};

/** `sallyport connect E[=LOCALADDR]… --token JWT [--stdio]` */
export function connectCommand(context: Context): Command {
  const command = new Command("connect")
    .description("Reach endpoints with a token, through local listeners that carry connections to their targets.")
    .argument("<endpoint...>", "as 8080/tcp, 8080/tcp=127.0.0.1:18080, 5060/udp, SITE/NAME=2222")
    .option("--token <jwt>", "a visitor token, or - to read it from standard input (prefer --token-file)")
    .option("--token-file <file>", "a file with the token")
    .option("--edge <url>", "the edge, if not the one that issued the token")
    .option("--insecure", "allow an edge without TLS on another machine")
    .option("--stdio", "carry one connection over standard input and output, for ssh -o ProxyCommand")
    .addOption(
      new Option(
        "--metrics <address>",
        "serve metrics to Prometheus at ADDRESS:PORT, or at PORT on loopback",
      ).conflicts("stdio"),
    )
    .addOption(
      new Option("--log <format>", "how to log")
        .choices(["pretty", "json"])
        .default(process.stderr.isTTY ? "pretty" : "json"),
    )
    .addOption(new Option("--log-level <level>", "what to log; default: info, with --stdio error").choices(LEVELS));
  return withDialFlags(command).action(async (words: string[], options: Options) => {
    // With --stdio, log lines would appear in the middle of the ssh session.
    const level = options.logLevel ?? (options.stdio === true ? "error" : "info");
    const log = createLog({ format: options.log, level, write: context.output.err });
    const wanted = words.map(parseListenRequest);
    const token = readToken(options, context.env, log);
    const claims = claimsOf("visitor", token);
    const url = checkedUrl(options.edge ?? claims.iss, options.insecure === true);
    const edge = new URL(url.replace(/^http/, "ws"));
    const dialler = diallerOf({ flags: options, env: context.env, log }, edge);
    const stop = new AbortController();
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => stop.abort());
    await (options.stdio === true ? connectStdio : connect)(
      { edge, dialler, token, expires: claims.exp * 1000, wanted, metrics: metricsAddress(options.metrics), log },
      stop.signal,
    );
  });
}
