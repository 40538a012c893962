import { readFileSync } from "node:fs";
import { Problem } from "../../link/problem.ts";
import type { ImportedView } from "../../shared/rule/api.ts";
import { carryOver } from "../carry-over.ts";
import { revokedSince, stateOf, type Revocations } from "../revoked-since.ts";
import { edgeCommand, edgeOf, type Context, type EdgeOptions } from "../context.ts";
import type { Command } from "commander";

/** `sallyport export > FILE` */
export function exportCommand(context: Context): Command {
  return edgeCommand(
    "export",
    "Print the data of an edge, on Cloudflare too, without private keys, the admin secret and the log of connections.",
  ).action(async (options: EdgeOptions) => {
    const archive = await edgeOf(context, options).call<object>("GET", "/archive");
    context.output.out(`${JSON.stringify(archive, undefined, 1)}\n`);
  });
}

type ImportOptions = EdgeOptions & { former?: string; revokeAgents?: boolean };

/** `sallyport import FILE [--former FILE] [--revoke-agents]` */
export function importCommand(context: Context): Command {
  return edgeCommand("import", "Load an export into an edge that has no sites yet; its tokens stay valid.")
    .argument("<file>", "a file from export, from a source you trust (its keys verify tokens); - reads standard input")
    .option("--former <file>", "a later export of the same edge, whose revocations are taken over")
    .option("--revoke-agents", "revoke every token in the file: of agents, gateways, visitors and admins")
    .action(async (file: string, { former, revokeAgents, ...options }: ImportOptions) => {
      const began = context.now();
      const archive = read(file);
      // Read before anything is changed: an error later would be too late.
      const revocations = former === undefined ? null : revocationsIn(former, archive, file, began);
      const edge = edgeOf(context, options);
      const { sites, mappings, tokens, grants } = await edge.call<ImportedView>("POST", "/archive", archive);
      context.output.err(`imported ${sites} sites, ${mappings} mappings, ${tokens} tokens, ${grants} grants\n`);
      const later = revocations === null ? null : { revocations, name: former ?? "" };
      const carried = { later, revokeAll: revokeAgents === true, began };
      for (const text of await carryOver(edge, stateOf(archive, file), carried)) context.output.err(text);
    });
}

function revocationsIn(former: string, archive: unknown, file: string, began: number): Revocations {
  return revokedSince(stateOf(archive, file), stateOf(read(former), former), began);
}

function read(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file === "-" ? 0 : file, "utf8"));
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    throw Problem.configuration(
      "import-unreadable",
      `${file} can't be read: ${cause}`,
      "give a file that sallyport export has written",
    );
  }
}
