import { Command, Option } from "commander";
import { VERSION } from "../shared/wire/version.ts";
import { discover, type DiscoverOptions } from "./commands/discover.ts";
import { doctor, type DoctorOptions } from "./commands/doctor.ts";
import { expose, type ExposeOptions } from "./commands/expose.ts";
import { install, uninstall, type InstallOptions } from "./commands/install.ts";
import { run } from "./commands/run.ts";
import { ready, reloadAll, status, type AskOptions } from "./commands/status.ts";
import { collect, withSettings, type Options } from "./settings.ts";

const EXAMPLES = `
Examples:
  agent --token-file /etc/sallyport/token
  agent --token-file token --allow 192.168.2.0/24:80,443,554 --metrics 9464
  agent --config /etc/sallyport/agent.toml
  agent status

Exit codes: 0 done, 1 failed, 2 usage, 3 configuration, 4 token refused, 5 edge unreachable, 6 not ready, 7 denied by policy`;

/** Builds the agent's commands. Without one, the agent runs. */
export function program(env: NodeJS.ProcessEnv): Command {
  const root = withSettings(new Command("agent"))
    .description("Serves a site: dials out to the edge, and dials the site's targets for it.")
    .version(VERSION)
    .addHelpText("after", EXAMPLES)
    .enablePositionalOptions()
    .action(async (options: Options) => run(options, env));
  root.addCommand(
    controlCommand("status", "Show what the agents of this machine are doing.", env, status).option(
      "--json",
      "print JSON",
    ),
  );
  root.addCommand(
    controlCommand("ready", "Exit with 0 when the agent is connected, else with 6 and why not.", env, ready),
  );
  root.addCommand(controlCommand("reload", "Make the agent read its configuration and token again.", env, reloadAll));
  root.addCommand(doctorCommand(env));
  root.addCommand(
    withSettings(new Command("discover"))
      .description("Propose mappings for what answers within the ranges this agent may dial, and never outside them.")
      .option("--json", "print JSON")
      .action(async (options: DiscoverOptions) => void process.stdout.write(await discover(options, env))),
  );
  root.addCommand(
    withSettings(new Command("expose"))
      .description("Map a target for as long as this command runs, within what the token may publish.")
      .argument("<target>", "HOST:PORT, or http(s)://HOST[:PORT]")
      .option("--at <endpoint>", "the endpoint (default: the only one that the token may publish)")
      .action(async (target: string, options: ExposeOptions) => expose(target, options, env)),
  );
  root.addCommand(installCommand(env));
  root.addCommand(
    new Command("uninstall")
      .description("Remove what install made, including the token.")
      .addOption(rootOption())
      .action((options: { root: string }) => void process.stdout.write(uninstall(options))),
  );
  return strict(root);
}

function doctorCommand(env: NodeJS.ProcessEnv): Command {
  return withSettings(new Command("doctor"))
    .description("Look for what is wrong between the targets and the edge, and say what to do.")
    .option("--target <host:port>", "a target to try; repeatable", collect)
    .option("--json", "print JSON")
    .action(async (options: DoctorOptions) => void (process.exitCode = await doctor(options, env)));
}

function installCommand(env: NodeJS.ProcessEnv): Command {
  return withSettings(new Command("install"))
    .description("Make a systemd service of the agent with these options, and start it.")
    .option("--no-start", "write the files only")
    .addOption(rootOption())
    .action((options: InstallOptions) => void process.stdout.write(install(options, env)));
}

function rootOption(): Option {
  return new Option("--root <dir>", "write under this folder, and start nothing").default("/").hideHelp();
}

type Ask = (options: AskOptions, env: NodeJS.ProcessEnv) => Promise<string>;

/** Builds a command that asks the running agents through their control sockets. */
function controlCommand(name: string, description: string, env: NodeJS.ProcessEnv, ask: Ask): Command {
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
