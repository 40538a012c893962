import { readFileSync } from "node:fs";
import { Problem } from "../../link/problem.ts";
import type { ImportedView } from "../../shared/api.ts";
import { edgeCommand, edgeOf, type Context, type EdgeOptions } from "../context.ts";
import type { Command } from "commander";

/** `sallyport export > FILE` */
export function exportCommand(context: Context): Command {
  return edgeCommand(
    "export",
    "Print all that an edge keeps, on Cloudflare too, but private keys, the admin secret and connections.",
  ).action(async (options: EdgeOptions) => {
    const archive = await edgeOf(context, options).call<object>("GET", "/archive");
    context.output.out(`${JSON.stringify(archive, undefined, 1)}\n`);
  });
}

/** `sallyport import FILE` */
export function importCommand(context: Context): Command {
  return edgeCommand("import", "Put what export printed into an edge that has no sites yet; its tokens stay good.")
    .argument("<file>", "trust it as you trust whoever made it: the keys in it verify tokens; - for standard input")
    .action(async (file: string, options: EdgeOptions) => {
      const archive = read(file);
      const { sites, mappings, tokens, grants } = await edgeOf(context, options).call<ImportedView>(
        "POST",
        "/archive",
        archive,
      );
      context.output.err(`imported ${sites} sites, ${mappings} mappings, ${tokens} tokens, ${grants} grants\n`);
    });
}

function read(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file === "-" ? 0 : file, "utf8"));
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    throw Problem.configuration("import-unreadable", `${file}: ${cause}`, "give what sallyport export printed");
  }
}
