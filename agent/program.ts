import { Command } from "commander";
import { VERSION } from "../shared/version.ts";
import { run } from "./commands/run.ts";
import { ready, reloadAll, status, type AskOptions } from "./commands/status.ts";
import { withSettings, type Options } from "./settings.ts";

const EXAMPLES = `
Examples:
  agent --token-file /etc/sallyport/token
  agent --token-file token --allow 192.168.2.0/24:80,443,554 --metrics 9464
  agent --config /etc/sallyport/agent.toml
  agent status

Exit codes: 0 done, 1 failed, 2 usage, 3 configuration, 4 token refused, 5 edge unreachable, 6 not ready, 7 denied by policy`;

/** All commands of the agent. Bare, it runs. */
export function program(env: NodeJS.ProcessEnv): Command {
  const root = withSettings(new Command("agent"))
    .description("Serves a site: dials out to the edge, and dials the site's targets for it.")
    .version(VERSION)
    .addHelpText("after", EXAMPLES)
    .enablePositionalOptions()
    .action(async (options: Options) => run(options, env));
  root.addCommand(
    asking("status", "What the agents of this machine are doing.", env, status).option("--json", "print JSON"),
  );
  root.addCommand(asking("ready", "Exit with 0 when the agent is connected, else with 6 and why not.", env, ready));
  root.addCommand(asking("reload", "Have the agent read its configuration and token again.", env, reloadAll));
  return strict(root);
}

type Ask = (options: AskOptions, env: NodeJS.ProcessEnv) => Promise<string>;

/** A command that asks the running agents, through their control sockets. */
function asking(name: string, description: string, env: NodeJS.ProcessEnv, ask: Ask): Command {
  return new Command(name)
    .description(description)
    .option("--site <name>", "only the agent of this site")
    .action(async (options: AskOptions) => void process.stdout.write(await ask(options, env)));
}

function strict(command: Command): Command {
  command
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, "error[usage]: ")) });
  for (const child of command.commands) strict(child);
  return command;
}
