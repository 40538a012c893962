import { Command } from "commander";
import type { SiteView } from "../../shared/rule/api.ts";
import { edgeCommand, edgeOf, readCommand, type Context, type EdgeOptions } from "../context.ts";
import { allPages } from "../edge.ts";
import { printResult } from "../output.ts";
import { table } from "../table.ts";

/** `sallyport site add NAME | ls | rm NAME` */
export function siteCommand(context: Context): Command {
  const site = new Command("site").description("Sites: one per LAN.");
  site.addCommand(
    edgeCommand("add", "Add a site.")
      .argument("<name>", "lower case letters, digits and hyphens")
      .action(async (name: string, options: EdgeOptions) => {
        await edgeOf(context, options).call<SiteView>("POST", "/sites", { name });
        context.output.err(
          `site ${name} added; next, issue a token for its agent: sallyport token agent ${name} --out ${name}.token\n`,
        );
      }),
  );
  site.addCommand(
    readCommand("ls", "List all sites.").action(async (options: EdgeOptions & { json?: boolean }) => {
      const sites = await allPages<SiteView>(edgeOf(context, options), "/sites", "sites");
      printResult(context.output, options.json === true, sites, () =>
        sites.length === 0
          ? "no sites yet: sallyport site add NAME\n"
          : table(sites, [
              { title: "SITE", value: ({ name }) => name },
              { title: "ADDED", value: ({ created }) => created.slice(0, 10) },
              { title: "REVISION", value: ({ revision }) => String(revision), align: "right" },
            ]),
      );
    }),
  );
  site.addCommand(
    edgeCommand("rm", "Remove a site that has no mappings, and revoke its agents' tokens.")
      .argument("<name>")
      .action(async (name: string, options: EdgeOptions) => {
        const { revoked } = await edgeOf(context, options).call<{ revoked: string[] }>(
          "DELETE",
          `/sites/${encodeURIComponent(name)}`,
        );
        context.output.err(
          `site ${name} removed${revoked.length === 0 ? "" : `, ${revoked.length} of its tokens revoked`}\n`,
        );
      }),
  );
  return site;
}
