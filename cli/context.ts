import { Command, Option } from "commander";
import { openEdge, type Edge } from "./edge.ts";
import { currentLogin } from "./logins.ts";
import type { Output } from "./output.ts";

/** What a command works with: nothing is reached for globally, so that tests can stand in for it. */
export type Context = { env: NodeJS.ProcessEnv; output: Output; now: () => number };

export type EdgeOptions = { insecure?: boolean };

/** A command that speaks to the edge of the last login. */
export function edgeCommand(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .addOption(new Option("--insecure", "permit plain http to another machine").hideHelp());
}

/** A command that answers something, for people or as JSON. */
export function readCommand(name: string, description: string): Command {
  return edgeCommand(name, description).option("--json", "print JSON");
}

/** The edge to speak to. Throws Problem when there is no login. */
export function edgeOf(context: Context, options: EdgeOptions): Edge {
  const login = currentLogin(context.env);
  return openEdge({ ...login, insecure: login.insecure || options.insecure === true });
}

/** Gathers an option that may be given several times. */
export function collect(value: string, before: readonly string[] | false = []): string[] {
  return [...(before === false ? [] : before), value];
}
