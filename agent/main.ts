import { randomBytes } from "node:crypto";
import { Command, CommanderError, Option } from "commander";
import { createLog, LEVELS, type Level } from "../link/log.ts";
import { EXIT, Problem } from "../link/problem.ts";
import { all } from "../shared/result.ts";
import { parseTargetRule } from "../shared/target-rule.ts";
import { VERSION } from "../shared/version.ts";
import { edgeUrl } from "./edge.ts";
import { runAgent, type AgentState } from "./run.ts";
import { claimsOf, readToken } from "./token.ts";

// First thing: it overwrites argv, where a --token could be read by everybody on this machine.
process.title = "sallyport-agent";

type Options = {
  token?: string;
  tokenFile?: string;
  allow: string[];
  deny: string[];
  edge?: string;
  insecure: boolean;
  log: "pretty" | "json";
  logLevel: Level;
};

const collect = (value: string, before: string[]): string[] => [...before, value];

const program = new Command("agent")
  .description("Serves a site: dials out to the edge, and dials the site's targets for it.")
  .version(VERSION)
  .option("--token <jwt>", "the site's token, or - to read it from standard input (prefer --token-file)")
  .option("--token-file <file>", "a file with the token")
  .option("--allow <rule>", "a target it may dial, CIDR[:PORTS] or NAME[:PORTS]; repeatable; without it, private and loopback addresses", collect, [])
  .option("--deny <rule>", "a target it may not dial; repeatable", collect, [])
  .option("--edge <url>", "the edge, if not the one that issued the token")
  .option("--insecure", "permit an edge without TLS that is not on this machine", false)
  .addOption(new Option("--log <format>", "how to log").choices(["pretty", "json"]).default(process.stderr.isTTY ? "pretty" : "json"))
  .addOption(new Option("--log-level <level>", "what to log").choices(LEVELS).default("info"))
  .exitOverride()
  .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, "error[usage]: ")) });

process.exitCode = await main();

async function main(): Promise<number> {
  try {
    program.parse();
    return await run(program.opts<Options>());
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
    if (!(error instanceof Problem)) throw error;
    process.stderr.write(`error[${error.code}]: ${error.message}\n  fix: ${error.fix}\n`);
    return error.exit;
  }
}

async function run(options: Options): Promise<number> {
  const log = createLog({ format: options.log, level: options.logLevel, write: (line) => void process.stderr.write(line) });
  const allow = rules(options.allow, "--allow");
  const deny = rules(options.deny, "--deny");
  const { token } = readToken(options, process.env, log);
  const claims = claimsOf(token);
  const edge = edgeUrl(options.edge ?? claims.iss, options.insecure);
  const drain = new AbortController();
  const stop = new AbortController();
  const signalled = (): void => {
    if (drain.signal.aborted) stop.abort();
    else drain.abort();
  };
  process.on("SIGTERM", signalled);
  process.on("SIGINT", signalled);
  const state: AgentState = { connected: false, since: null, lastFault: null, streams: () => 0, rtt: () => null };
  const fault = await runAgent(
    {
      edge,
      token: () => token,
      claims,
      incarnation: randomBytes(16).toString("hex"),
      policy: { claims, allow, deny },
      log,
      drain: drain.signal,
      stop: stop.signal,
    },
    state,
  );
  if (fault === null) {
    log("info", "stopped");
    return EXIT.done;
  }
  throw new Problem(fault.code === "incompatible" ? EXIT.failed : EXIT.token, fault.code, fault.reason, fault.fix);
}

function rules(texts: string[], flag: string) {
  const parsed = all(texts, parseTargetRule);
  if (parsed.ok) return parsed.value;
  throw new Problem(EXIT.usage, "bad-rule", `${flag}: ${parsed.error.message}`, parsed.error.fix ?? "write CIDR:PORTS");
}
