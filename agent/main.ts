import { CommanderError } from "commander";
import { EXIT, Problem } from "../link/problem.ts";
import { program } from "./program.ts";

// First thing: it overwrites argv, where a --token could be read by everybody on this machine.
process.title = "sallyport-agent";

process.exitCode = await main();

async function main(): Promise<number> {
  try {
    await program(process.env).parseAsync();
    return EXIT.done;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
    if (!(error instanceof Problem)) throw error;
    const { code, message, fix, exit } = error;
    if (process.argv.includes("--json")) process.stderr.write(`${JSON.stringify({ code, cause: message, fix })}\n`);
    else process.stderr.write(`error[${code}]: ${message}\n  fix: ${fix}\n`);
    return exit;
  }
}
