import { Command, Option } from "commander";
import type { Dialler } from "../link/dial/dialler.ts";
import { DIAL_FLAGS, diallerOf } from "../link/dial/options.ts";
import { LEVELS, type Level, type Log } from "../link/log.ts";
import { EXIT, Problem } from "../link/problem.ts";
import { newestToken } from "../link/token-store.ts";
import type { AgentClaims } from "../shared/rule/claims.ts";
import { all } from "../shared/result.ts";
import { parseListen, type SocketAddress } from "../shared/address/socket-address.ts";
import { parseTargetRule, type TargetRule } from "../shared/address/target-rule.ts";
import { readConfig, type Config } from "./config.ts";
import { edgeUrl } from "./edge-url.ts";
import { claimsOf, readToken, type TokenSource } from "./token.ts";

export type Options = Config & { token?: string; config?: string };

/** The settings of an agent, from flags, environment and configuration file. */
export type Settings = {
  source: TokenSource;
  claims: AgentClaims;
  edge: URL;
  dialler: Dialler;
  allow: TargetRule[];
  deny: TargetRule[];
  metrics: SocketAddress | null;
  log: "pretty" | "json";
  logLevel: Level;
};

/** Adds the options of a running agent to a command. */
export function withSettings(command: Command): Command {
  const rule = "CIDR[:PORTS] or NAME[:PORTS]; repeatable";
  command
    .option("--token <jwt>", "the site's token, or - to read it from standard input (prefer --token-file)")
    .option("--token-file <file>", "a file with the token")
    .option(
      "--allow <rule>",
      `a target it may dial, ${rule} (default: private addresses, and loopback where the token names it)`,
      collect,
    )
    .option(
      "--deny <rule>",
      "a target it may not dial; a name stands for every address it resolves to; repeatable",
      collect,
    )
    .option("--edge <url>", "the edge, if not the one that issued the token")
    .option("--insecure", "permit an edge without TLS that is not on this machine");
  for (const [flag, what] of DIAL_FLAGS) command.option(flag, what);
  return command
    .option("--config <file>", "a TOML file with these options by their names; flags and environment override it")
    .option("--metrics <address>", "answer Prometheus at ADDRESS:PORT or PORT; a bare port is loopback")
    .addOption(new Option("--log <format>", "how to log (default: pretty on a terminal)").choices(["pretty", "json"]))
    .addOption(new Option("--log-level <level>", "what to log (default: info)").choices(LEVELS));
}

/** Reads how to log, before all other settings are checked. */
export function logSettings(options: Options): Pick<Settings, "log" | "logLevel"> {
  return { log: options.log ?? (process.stderr.isTTY ? "pretty" : "json"), logLevel: options.logLevel ?? "info" };
}

/** Combines the settings: flags override the environment, which overrides the file. Throws Problem. */
export function settingsOf(flags: Options, env: NodeJS.ProcessEnv, log: Log): Settings {
  const options = merged(flags);
  const given = readToken(flags, env, log, options.tokenFile);
  // A renewed token may be in the state directory.
  const source = { ...given, token: newestToken("agent", given.token, env) };
  const claims = claimsOf(source.token);
  const edge = edgeUrl(options.edge ?? claims.iss, options.insecure === true);
  return {
    source,
    claims,
    edge,
    dialler: diallerOf({ flags, kept: options, env, log }, edge),
    allow: rules(options.allow ?? [], "allow"),
    deny: rules(options.deny ?? [], "deny"),
    metrics: options.metrics === undefined ? null : listen(options.metrics),
    ...logSettings(options),
  };
}

/** Adds the options of the configuration file, which flags override. Throws Problem. */
export function merged(flags: Options): Options {
  return flags.config === undefined ? flags : { ...readConfig(flags.config), ...flags };
}

function rules(texts: string[], name: string): TargetRule[] {
  const parsed = all(texts, parseTargetRule);
  if (parsed.ok) return parsed.value;
  throw new Problem(EXIT.usage, "bad-rule", `${name}: ${parsed.error.message}`, parsed.error.fix ?? "write CIDR:PORTS");
}

function listen(text: string): SocketAddress {
  const parsed = parseListen(text);
  if (parsed.ok) return parsed.value;
  throw new Problem(
    EXIT.usage,
    "bad-address",
    `metrics: ${parsed.error.message}`,
    parsed.error.fix ?? "write 127.0.0.1:9464",
  );
}

/** Collects the values of a repeatable option. */
export function collect(value: string, before: string[] = []): string[] {
  return [...before, value];
}
