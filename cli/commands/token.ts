import { Command } from "commander";
import type { TokenKind } from "../../shared/rule/claims.ts";
import type { IssuedView, TokenView } from "../../shared/rule/api.ts";
import { targetsName } from "../../shared/address/target-rule.ts";
import { formatBytes, parseBytes, wholeNumber } from "../amount.ts";
import { collect, edgeCommand, edgeOf, readCommand, type Context, type EdgeOptions } from "../context.ts";
import { parseDuration } from "../duration.ts";
import { allPages } from "../edge.ts";
import { issueInto } from "../issue.ts";
import { keysCommand } from "./keys.ts";
import { printResult } from "../output.ts";
import { newSecretFile } from "../secret-file.ts";
import { table } from "../table.ts";

/** The fields of a request for a token of some kind; JSON leaves out `undefined` ones. */
type Scope = Record<string, unknown>;
type IssueOptions = EdgeOptions & { expires?: number; out?: string; force?: boolean };
type VisitorOptions = IssueOptions & { endpoint: string[]; from?: string[]; maxStreams?: number; maxBytes?: number };

/** `sallyport token agent SITE | visitor | gateway | admin | ls | revoke JTI` */
export function tokenCommand(context: Context): Command {
  const token = new Command("token").description(
    "Tokens. A token is shown only once, when it is issued; revoking it is final.",
  );
  token.addCommand(agentCommand(context));
  token.addCommand(
    issuing("visitor", "Issue a token that opens endpoints.")
      .requiredOption("--endpoint <endpoint>", "an endpoint it opens, or SITE/*; repeatable", collect)
      .option("--from <cidr>", "addresses it may be used from; repeatable", collect)
      .option("--max-streams <number>", "how many connections it may have at once", wholeNumber)
      .option(
        "--max-bytes <size>",
        "how many bytes it may carry in its life, both directions together: 500M, 2G",
        parseBytes,
      )
      .action(async ({ endpoint: endpoints, from, ...options }: VisitorOptions) => {
        const { maxStreams: streams, maxBytes: bytes } = options;
        const caps = streams === undefined && bytes === undefined ? undefined : { streams, bytes };
        await issue(context, "visitor", options, { endpoints, from, caps });
      }),
  );
  token.addCommand(
    issuing("gateway", "Issue a token for a gateway, which opens public ports on a machine with a public address.")
      .option("--endpoint <endpoint>", "an endpoint it may open; repeatable; without it, all", collect)
      .option("--bind <address>", "an address it may listen on; repeatable; without it, all", collect)
      .action(async (options: IssueOptions & { endpoint?: string[]; bind?: string[] }) => {
        await issue(context, "gateway", options, { endpoints: options.endpoint, bind: options.bind });
      }),
  );
  token.addCommand(
    issuing("admin", "Issue a token for the API and these commands.")
      .option("--read-only", "it may read everything and change nothing")
      .action(async (options: IssueOptions & { readOnly?: boolean }) => {
        await issue(context, "admin", options, { readOnly: options.readOnly });
      }),
  );
  token.addCommand(listCommand(context));
  token.addCommand(keysCommand(context));
  token.addCommand(
    edgeCommand("revoke", "Revoke a token and cut the connections that it opened.")
      .argument("<jti>", "as token ls shows it")
      .action(async (jti: string, options: EdgeOptions) => {
        const { kind, sub } = await edgeOf(context, options).call<TokenView>(
          "DELETE",
          `/tokens/${encodeURIComponent(jti)}`,
        );
        context.output.err(`${kind} token ${jti} (${sub}) is revoked\n`);
      }),
  );
  return token;
}

function agentCommand(context: Context): Command {
  return issuing("agent", "Issue a token for an agent of a site.")
    .argument("<site>")
    .option(
      "--target <cidr:ports>",
      "what it may dial, as 192.168.2.0/24:80,443, or localhost:3000 for its own machine; repeatable; without it, any other machine that the agent's own --allow permits",
      collect,
    )
    .option("--publish <endpoint>", "an endpoint for which the agent may make mappings itself; repeatable", collect)
    .option("--local", "for an agent on the edge's own machine: the edge's URL may be a loopback one")
    .action(
      async (site: string, options: IssueOptions & { target?: string[]; publish?: string[]; local?: boolean }) => {
        const { target, publish, local } = options;
        await issue(context, "agent", options, { site, targets: target, publish, local });
      },
    );
}

function issuing(name: string, description: string): Command {
  return edgeCommand(name, description)
    .option("--expires <time>", "how long it is valid, as 12h or 90d", parseDuration)
    .option("--out <file>", "a new file for the token, readable only by you; without it, standard output")
    .option("--force", "replace that file if it exists");
}

/** Issues a token and writes it into the file of --out, or alone to standard output. Throws Problem. */
async function issue(context: Context, kind: TokenKind, options: IssueOptions, scope: Scope): Promise<void> {
  const { output } = context;
  const life = options.expires === undefined ? undefined : Math.floor(options.expires / 1000);
  using file = options.out === undefined ? null : newSecretFile(options.out, options.force === true);
  const edge = edgeOf(context, options);
  const request = { kind, ...scope, life };
  const issued =
    file === null ? await edge.call<IssuedView>("POST", "/tokens", request) : await issueInto(file, edge, request);
  if (file === null) output.out(`${issued.token}\n`);
  const where = file === null ? "it is not shown again" : `it is in ${file.path}`;
  const until = issued.expires.slice(0, 10);
  output.err(`${kind} token ${issued.jti} for ${issued.sub}, valid until ${until}; ${where}\n`);
  if (file === null && output.isExposedFile?.() === true)
    output.err(
      "warning: other users of this machine can read the file with the token: chmod 600 it; next time use --out FILE\n",
    );
}

function listCommand(context: Context): Command {
  return readCommand("ls", "List all tokens that are valid, or were until recently.").action(
    async (options: EdgeOptions & { json?: boolean }) => {
      const tokens = await allPages<TokenView>(edgeOf(context, options), "/tokens", "tokens");
      printResult(context.output, options.json === true, tokens, () =>
        table(tokens, [
          { title: "JTI", value: ({ jti }) => jti },
          { title: "KIND", value: ({ kind }) => kind },
          { title: "SITE", value: ({ site }) => site ?? "" },
          { title: "SCOPE", value: scopeText },
          { title: "EXPIRES", value: ({ expires }) => expires.slice(0, 10) },
          { title: "CARRIED", value: carriedText },
          { title: "STATE", value: (each) => stateOf(each, context.now()) },
        ]),
      );
    },
  );
}

function scopeText({ kind, scope }: TokenView): string {
  return (kind === "agent" ? targetsName(scope) : undefined) ?? scope.join(" ");
}

/** Formats how much of its limit a token has carried; "" without a limit. */
function carriedText({ bytes }: TokenView): string {
  return bytes === null ? "" : `${formatBytes(bytes.spent)} of ${formatBytes(bytes.cap)}`;
}

function stateOf({ revoked, expires }: TokenView, now: number): string {
  if (revoked) return "revoked";
  return Date.parse(expires) <= now ? "expired" : "good";
}
