import { Command, Option } from "commander";
import type { Dialler } from "../link/dial/dialler.ts";
import { DIAL_FLAGS, diallerOf, type DialFlags } from "../link/dial/options.ts";
import { createLog } from "../link/log.ts";
import { checkedUrl, openEdge, type Edge } from "./edge.ts";
import { currentLogin } from "./logins.ts";
import type { Output } from "./output.ts";

/** What a command takes from its surroundings; passed in, so that tests can replace it. */
export type Context = { env: NodeJS.ProcessEnv; output: Output; now: () => number };

export type EdgeOptions = { insecure?: boolean };

/** Makes a command that calls the edge of the last login, with the proxy and the certificate authorities of that login. */
export function edgeCommand(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .addOption(new Option("--insecure", "allow unencrypted http to another machine").hideHelp());
}

/** Adds the options that say how an edge is dialled. */
export function withDialFlags(command: Command): Command {
  for (const [flag, what] of DIAL_FLAGS) command.option(flag, what);
  return command;
}

/** Makes a command that prints a result, for people or as JSON. */
export function readCommand(name: string, description: string): Command {
  return edgeCommand(name, description).option("--json", "print JSON");
}

/** Opens the edge of the current login. Throws Problem when there is no login. */
export function edgeOf(context: Context, options: EdgeOptions): Edge {
  const login = currentLogin(context.env);
  const insecure = login.insecure || options.insecure === true;
  return openEdge({ ...login, insecure, dialler: makeDialler(context, checkedUrl(login.url, insecure), {}, login) });
}

/** Makes the dialler of a command. `kept`: flags of the login. Throws Problem when a file named in the flags can't be read. */
export function makeDialler({ env, output }: Context, url: string, flags: DialFlags, kept: DialFlags = {}): Dialler {
  const log = createLog({ format: "pretty", level: "warn", write: output.err });
  return diallerOf({ flags, kept, env, log }, new URL(url));
}

/** Collects the values of a repeatable option. */
export function collect(value: string, before: readonly string[] | false = []): string[] {
  return [...(before === false ? [] : before), value];
}
