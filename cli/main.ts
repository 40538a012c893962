import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { CommanderError } from "commander";
import { EXIT, Problem } from "../link/problem.ts";
import { isSingleExecutable } from "../link/single-executable.ts";
import { printProblem, stdio } from "./output.ts";
import { program } from "./program.ts";

const words = process.argv.slice(2);
// Before anything else: this overwrites argv, where every user of this machine could read a --token.
process.title = "sallyport";

// EPIPE: the reader, such as `| head`, has read enough. That is no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) =>
  process.exit(error.code === "EPIPE" ? EXIT.done : EXIT.failed),
);

main().catch((error: unknown) => (process.exitCode = report(error)));

async function main(): Promise<void> {
  if (words[0] === "agent") await runAgent(words.slice(1));
  else await program({ env: process.env, output: stdio, now: Date.now }).parseAsync(words, { from: "user" });
}

/** Runs the agent that was built beside this program. */
async function runAgent(args: readonly string[]): Promise<void> {
  if (isSingleExecutable()) {
    throw Problem.configuration(
      "agent-missing",
      "this single executable does not contain the agent",
      "use the executable called agent-…",
    );
  }
  const file = new URL("./agent.js", import.meta.url);
  const path = fileURLToPath(file);
  if (!existsSync(path))
    throw Problem.configuration("agent-missing", `${path} is missing`, "install the whole package again");
  process.argv.splice(1, process.argv.length, path, ...args);
  await import(file.href);
}

function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
  const json = words.includes("--json");
  if (error instanceof Problem) {
    printProblem(stdio, json, error);
    return error.exit;
  }
  const cause = error instanceof Error ? (error.stack ?? error.message) : String(error);
  printProblem(
    stdio,
    json,
    new Problem(EXIT.failed, "internal", cause, "this is a bug in sallyport: please report it"),
  );
  return EXIT.failed;
}
