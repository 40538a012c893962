import { Command, Option } from "commander";
import type { Dialler } from "../link/dial/dialler.ts";
import { DIAL_FLAGS, diallerOf, type DialFlags } from "../link/dial/options.ts";
import { createLog } from "../link/log.ts";
import { checkedUrl, openEdge, type Edge } from "./edge.ts";
import { currentLogin } from "./logins.ts";
import type { Output } from "./output.ts";

/** What a command works with: nothing is reached for globally, so that tests can stand in for it. */
export type Context = { env: NodeJS.ProcessEnv; output: Output; now: () => number };

export type EdgeOptions = { insecure?: boolean };

/** A command that speaks to the edge of the last login, by the proxy and with the authorities that were given there. */
export function edgeCommand(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .addOption(new Option("--insecure", "permit plain http to another machine").hideHelp());
}

/** Adds the options that say how an edge is dialled. */
export function withDialFlags(command: Command): Command {
  for (const [flag, what] of DIAL_FLAGS) command.option(flag, what);
  return command;
}

/** A command that answers something, for people or as JSON. */
export function readCommand(name: string, description: string): Command {
  return edgeCommand(name, description).option("--json", "print JSON");
}

/** The edge to speak to. Throws Problem when there is no login. */
export function edgeOf(context: Context, options: EdgeOptions): Edge {
  const login = currentLogin(context.env);
  const insecure = login.insecure || options.insecure === true;
  return openEdge({ ...login, insecure, dialler: makeDialler(context, checkedUrl(login.url, insecure), {}, login) });
}

/** Puts together how a command dials an edge. Throws Problem when a file of it can't be read. */
export function makeDialler({ env, output }: Context, url: string, flags: DialFlags, kept: DialFlags = {}): Dialler {
  const log = createLog({ format: "pretty", level: "warn", write: output.err });
  return diallerOf({ flags, kept, env, log }, new URL(url));
}

/** Gathers an option that may be given several times. */
export function collect(value: string, before: readonly string[] | false = []): string[] {
  return [...(before === false ? [] : before), value];
}
