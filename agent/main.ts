import { CommanderError } from "commander";
import { EXIT, Problem } from "../link/problem.ts";
import { program } from "./program.ts";

// First of all: setting the title overwrites argv, where every user of this machine could read a --token.
process.title = "sallyport-agent";

// In `agent status | head -1`, head closes the pipe early: this is not a defect.
process.stdout.on("error", (error: NodeJS.ErrnoException) =>
  process.exit(error.code === "EPIPE" ? EXIT.done : defect(error)),
);
process.on("uncaughtException", (error) => process.exit(defect(error)));

void main().then((code) => (process.exitCode = code ?? process.exitCode));

/** Runs a command. Resolves with the exit code; undefined if the command has set `process.exitCode`. */
async function main(): Promise<number | undefined> {
  try {
    await program(process.env).parseAsync();
    return undefined;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
    if (!(error instanceof Problem)) return defect(error);
    const { code, message, fix, exit } = error;
    if (process.argv.includes("--json")) process.stderr.write(`${JSON.stringify({ code, cause: message, fix })}\n`);
    else process.stderr.write(`error[${code}]: ${message}\n  fix: ${fix}\n`);
    return exit;
  }
}

function defect(error: unknown): number {
  const cause = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`error[internal]: ${cause}\n  fix: this is a defect: please report it\n`);
  return EXIT.failed;
}
