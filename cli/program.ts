import { Command } from "commander";
import { VERSION } from "../shared/wire/version.ts";
import { connectCommand } from "./commands/connect.ts";
import { gatewayCommand } from "./commands/gateway.ts";
import { exportCommand, importCommand } from "./commands/archive.ts";
import { auditCommand } from "./commands/audit.ts";
import { backupCommand, restoreCommand } from "./commands/backup.ts";
import { costsCommand } from "./commands/costs.ts";
import { deployCommand } from "./commands/deploy.ts";
import { grantCommand } from "./commands/grant.ts";
import { loginCommand } from "./commands/login.ts";
import { logCommand } from "./commands/log.ts";
import { mapCommand } from "./commands/map.ts";
import { serveCommand } from "./commands/serve.ts";
import { siteCommand } from "./commands/site.ts";
import { statusCommand } from "./commands/status.ts";
import { testCommand } from "./commands/test.ts";
import { tokenCommand } from "./commands/token.ts";
import { versionCommand } from "./commands/version.ts";
import type { Context } from "./context.ts";

const EXAMPLES = `
Examples:
  sallyport serve --data ./edge --tcp 8080,8090-8099
  sallyport login http://127.0.0.1:8787 --secret-file ./edge/admin-secret
  sallyport site add warehouse-3
  sallyport token agent warehouse-3 --out agent.token
  sallyport map add 8080/tcp warehouse-3 192.168.2.101:8080
  sallyport status

Exit codes: 0 done, 1 failed, 2 usage, 3 configuration, 4 token refused, 5 edge unreachable, 6 not ready, 7 denied by policy`;

/** Makes the root command with all its subcommands. Nothing is read or run before the command line is parsed. */
export function program(context: Context): Command {
  const root = new Command("sallyport")
    .description("Publishes private IP:port services of a LAN at public endpoints, without touching the router.")
    .version(VERSION)
    // An option belongs to the command that it follows: grant and grant ls both have --json.
    .enablePositionalOptions()
    .addHelpText("after", EXAMPLES);
  // Listed for the help only: main.ts runs the agent before this program parses any option.
  root.addCommand(
    new Command("agent")
      .description("Serve a site from inside its LAN; the same as the program `agent`.")
      .allowUnknownOption(),
  );
  for (const command of [
    serveCommand,
    deployCommand,
    backupCommand,
    restoreCommand,
    exportCommand,
    importCommand,
    connectCommand,
    gatewayCommand,
    loginCommand,
    siteCommand,
    tokenCommand,
    mapCommand,
    grantCommand,
    statusCommand,
    testCommand,
    logCommand,
    auditCommand,
    costsCommand,
    versionCommand,
  ]) {
    root.addCommand(command(context));
  }
  return strict(root, context);
}

/** Makes commander throw usage errors instead of ending the process, and write through the context's output. */
function strict(command: Command, context: Context): Command {
  command.exitOverride().configureOutput({
    writeOut: context.output.out,
    writeErr: context.output.err,
    outputError: (text, write) => write(text.replace(/^error: /, "error[usage]: ")),
  });
  command.showHelpAfterError(`  fix: see sallyport ${pathOf(command)}--help`);
  for (const child of command.commands) strict(child, context);
  return command;
}

function pathOf(command: Command): string {
  return command.parent === null ? "" : `${pathOf(command.parent)}${command.name()} `;
}
