import { Command } from "commander";
import { edgeCommand, edgeOf, readCommand, type Context, type EdgeOptions } from "../context.ts";
import { printResult } from "../output.ts";
import { table } from "../table.ts";

type Key = { kid: string; created: string };

/** `sallyport token keys ls | rotate | withdraw KID` */
export function keysCommand(context: Context): Command {
  const keys = new Command("keys").description(
    "The keys that sign tokens. The edge makes a new one every three months.",
  );
  keys.addCommand(
    readCommand("ls", "List the keys; the first signs, the others only verify tokens that they have signed.").action(
      async (options: EdgeOptions & { json?: boolean }) => {
        const answer = await edgeOf(context, options).call<{ keys: Key[] }>("GET", "/keys");
        printResult(context.output, options.json === true, answer.keys, () =>
          table(answer.keys, [
            { title: "KID", value: ({ kid }) => kid },
            { title: "MADE", value: ({ created }) => created.slice(0, 16).replace("T", " ") },
          ]),
        );
      },
    ),
  );
  keys.addCommand(
    edgeCommand("rotate", "Sign with a new key from now on; all tokens stay valid.").action(
      async (options: EdgeOptions) => {
        const { kid } = await edgeOf(context, options).call<{ kid: string }>("POST", "/keys");
        context.output.err(`key ${kid} signs from now on\n`);
      },
    ),
  );
  keys.addCommand(
    edgeCommand(
      "withdraw",
      "Withdraw a key that may have leaked: revoke every token it has signed and cut their connections.",
    )
      .argument("<kid>", "as token keys ls shows it")
      .action(async (kid: string, options: EdgeOptions) => {
        const { revoked } = await edgeOf(context, options).call<{ revoked: string[] }>(
          "DELETE",
          `/keys/${encodeURIComponent(kid)}`,
        );
        context.output.err(
          `key ${kid} is withdrawn, ${revoked.length} token${revoked.length === 1 ? "" : "s"} revoked; issue new ones, and log in again if the edge refuses a command\n`,
        );
      }),
  );
  return keys;
}
