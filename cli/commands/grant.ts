import { Command } from "commander";
import type { GrantView, MadeGrantView } from "../../shared/rule/api.ts";
import { edgeCommand, edgeOf, readCommand, type Context, type EdgeOptions } from "../context.ts";
import { allPages } from "../edge.ts";
import { Problem } from "../../link/problem.ts";
import { formatSpan, parseDuration } from "../duration.ts";
import { printResult } from "../output.ts";
import { table } from "../table.ts";

/** `sallyport grant E… --for 2h [--to NAME] | ls | rm ID` */
export function grantCommand(context: Context): Command {
  const grant = edgeCommand("grant", "Let one visitor's address in for a limited time, through a one-time link.")
    .argument("<endpoint...>", "the endpoints to open, as map ls shows them")
    // An option belongs to the command that it follows: ls has --json too.
    .enablePositionalOptions()
    .option("--for <time>", "for how long, as 30m or 2h", parseDuration)
    .option("--to <name>", "who it is for")
    .option("--json", "print JSON")
    .action(async (endpoints: string[], options: EdgeOptions & { for?: number; to?: string; json?: boolean }) => {
      if (options.for === undefined)
        throw Problem.usage("for-missing", "no duration was given", "give --for, as in --for 2h");
      const life = Math.max(1, Math.floor(options.for / 1000));
      const made = await edgeOf(context, options).call<MadeGrantView>("POST", "/grants", {
        endpoints,
        life,
        to: options.to,
      });
      printResult(context.output, options.json === true, made, () => `${made.link}\n`);
      context.output.err(
        `grant ${made.id} for ${made.endpoints.join(" ")}, until ${made.until}; it lets in the address that opens the link first\n`,
      );
    });
  grant.addCommand(
    readCommand("ls", "List the grants that have not ended.").action(
      async (options: EdgeOptions & { json?: boolean }) => {
        const grants = await allPages<GrantView>(edgeOf(context, options), "/grants", "grants");
        printResult(context.output, options.json === true, grants, () =>
          grants.length === 0
            ? "no grants: sallyport grant ENDPOINT --for 2h\n"
            : table(grants, [
                { title: "ID", value: ({ id }) => id },
                { title: "TO", value: ({ to }) => to },
                { title: "ENDPOINTS", value: ({ endpoints }) => endpoints.join(" ") },
                {
                  title: "ADDRESSES",
                  value: ({ addresses }) => (addresses.length === 0 ? "not used yet" : addresses.join(" ")),
                },
                { title: "LEFT", value: ({ until }) => formatSpan(Date.parse(until) - context.now()), align: "right" },
                { title: "BY", value: ({ by }) => by },
              ]),
        );
      },
    ),
  );
  grant.addCommand(
    edgeCommand("rm", "Take a grant back and cut the connections that it let in.")
      .argument("<id>", "as grant ls shows it")
      .action(async (id: string, options: EdgeOptions) => {
        await edgeOf(context, options).call<GrantView>("DELETE", `/grants/${encodeURIComponent(id)}`);
        context.output.err(`grant ${id} is taken back\n`);
      }),
  );
  return grant;
}
