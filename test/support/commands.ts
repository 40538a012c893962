/** Commands of `sallyport` that prepare what is tested, run in the test's own process. */
import { Command } from "commander";
import { grantCommand } from "../../cli/commands/grant.ts";
import { logCommand } from "../../cli/commands/log.ts";
import { loginCommand } from "../../cli/commands/login.ts";
import { mapCommand } from "../../cli/commands/map.ts";
import { siteCommand } from "../../cli/commands/site.ts";
import { statusCommand } from "../../cli/commands/status.ts";
import { tokenCommand } from "../../cli/commands/token.ts";
import type { Context } from "../../cli/context.ts";

/** Those that ask the edge something and print it: none of them has an effect on the process. */
const PREPARED: Readonly<Record<string, (context: Context) => Command>> = {
  grant: grantCommand,
  log: logCommand,
  login: loginCommand,
  map: mapCommand,
  site: siteCommand,
  status: statusCommand,
  token: tokenCommand,
};

export function isPrepared([name = ""]: readonly string[]): boolean {
  return Object.hasOwn(PREPARED, name);
}

/** What such a command prints, without the line end. Throws what it fails with. */
export async function perform(words: readonly string[], env: NodeJS.ProcessEnv): Promise<string> {
  let printed = "";
  let said = "";
  const output = { out: (text: string) => void (printed += text), err: (text: string) => void (said += text) };
  const root = new Command().enablePositionalOptions();
  for (const command of Object.values(PREPARED)) root.addCommand(command({ env, output, now: Date.now }));
  for (const command of [root, ...root.commands]) command.exitOverride().configureOutput({ writeErr: output.err });
  try {
    await root.parseAsync(words, { from: "user" });
  } catch (error) {
    throw new Error(`sallyport ${words.join(" ")}: ${String(error)}\n${said}`, { cause: error });
  }
  return printed.trimEnd();
}
