import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { Command } from "commander";
import type { DialFlags } from "../../link/dial/options.ts";
import { Problem } from "../../link/problem.ts";
import type { LoginView } from "../../shared/rule/api.ts";
import { makeDialler, withDialFlags, type Context } from "../context.ts";
import { checkedUrl, openEdge } from "../edge.ts";
import { loginsFile, rememberLogin } from "../logins.ts";
import { askHidden } from "../prompt.ts";

type Options = DialFlags & { secretFile?: string; insecure?: boolean };

/** `sallyport login URL [--secret-file F]` */
export function loginCommand(context: Context): Command {
  const command = new Command("login")
    .description("Log in to an edge with its admin secret; later commands call this edge.")
    .argument("<url>", "where the edge is reached: https://HOST[:PORT]")
    .option("--secret-file <file>", "a file with the admin secret; - reads standard input")
    .option("--insecure", "allow unencrypted http to another machine");
  return withDialFlags(command).action(async (text: string, options: Options) => {
    const insecure = options.insecure === true;
    const url = checkedUrl(text, insecure);
    const flags = absolute(options);
    const edge = openEdge({ url, insecure, token: null, dialler: makeDialler(context, url, flags) });
    const secret = await secretFrom(options.secretFile);
    const answer = await edge.call<LoginView>("POST", "/login", { secret, url });
    rememberLogin(context.env, { url, token: answer.token, insecure, ...flags });
    const known = answer.url === url ? "" : ` (the edge calls itself ${answer.url})`;
    context.output.err(
      `logged in to ${url}${known} until ${answer.expires.slice(0, 10)}; saved in ${loginsFile(context.env)}\n`,
    );
  });
}

/** Makes the paths in flags absolute, because later commands may run in another folder. */
function absolute({ proxy, proxyFile, ca }: DialFlags): DialFlags {
  const from = (file: string | undefined): string | undefined => (file === undefined ? file : resolve(file));
  return { proxy, proxyFile: from(proxyFile), ca: from(ca) };
}

async function secretFrom(file: string | undefined): Promise<string> {
  const secret = file === undefined ? await askHidden("Admin secret: ") : read(file);
  if (secret !== "") return secret;
  throw Problem.usage(
    "secret-missing",
    "no admin secret was given",
    "give --secret-file FILE: of a self-hosted edge DIR/admin-secret, on Cloudflare a file with the value of the Worker's secret ADMIN_SECRET",
  );
}

function read(file: string): string {
  try {
    return readFileSync(file === "-" ? 0 : file, "utf8").trim();
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    throw Problem.configuration(
      "secret-unreadable",
      `the admin secret can't be read: ${cause}`,
      "check the path and who may read the file",
    );
  }
}
