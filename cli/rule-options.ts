import { readFileSync } from "node:fs";
import { Option, type Command } from "commander";
import { Problem } from "../link/problem.ts";
import { parseBytes, wholeNumber } from "./amount.ts";
import { collect, type EdgeOptions } from "./context.ts";
import { parseDuration, parseMoment } from "./duration.ts";

/** What of a rule the command line sets. `false`: back to its default, of an edit. */
export type RuleOptions = EdgeOptions & {
  name?: string;
  owner?: string;
  note?: string;
  access?: string;
  allowFrom?: string[] | false;
  denyFrom?: string[] | false;
  expires?: string | false;
  maxStreams?: number | false;
  newPerSecond?: number | false;
  bytesPerSecond?: number | false;
  onLoss?: string;
  proxyProtocol?: string | false;
  idle?: number | false;
  reflectorOk?: boolean;
  hostHeader?: string;
  tlsVerify?: boolean;
  ca?: string | false;
  sni?: string | false;
  stripPrefix?: boolean;
  rewrite?: boolean;
};

/** Adds the options of a rule. `edit`: with those that take a limit away again. */
export function withRuleOptions(command: Command, edit: boolean): Command {
  if (edit) {
    // Before their opposites, which would else be on by default.
    command
      .option("--tls-verify", "HTTP: check the certificate of an https target")
      .option("--rewrite", "HTTP: put redirects and cookies of the target back under the endpoint");
  }
  command
    .option("--name <text>", "what it is, for the register")
    .option("--owner <text>", "who answers for it")
    .option("--note <text>", "why it is there")
    .addOption(new Option("--access <who>", "public, or only by token").choices(["public", "token"]))
    .option("--allow-from <cidr>", "a source that may come; repeatable; without it, everyone", collect)
    .option("--deny-from <cidr>", "a source that may not come; repeatable", collect)
    .option("--expires <when>", "when it ends: 12h, 90d, or a date")
    .option("--max-streams <number>", "connections at once", wholeNumber)
    .option("--new-per-second <number>", "new connections a second from one source", wholeNumber)
    .option("--bytes-per-second <size>", "of each direction, over all its connections: 500000, 64K, 1.5M", parseBytes)
    .addOption(
      new Option("--proxy-protocol <version>", "tell the target the visitor's address in this header").choices([
        "v1",
        "v2",
      ]),
    )
    .option("--idle <time>", "UDP: how long a flow may be quiet; without it, 2m", parseDuration)
    .option("--reflector-ok", "UDP: it may answer much to those who sent little")
    .addOption(
      new Option("--on-loss <what>", "what a visitor sees when the path to the agent is lost").choices([
        "close",
        "hang",
      ]),
    )
    .option("--host-header <host>", "HTTP: the Host that the target sees: visitor, target, or HOST[:PORT]")
    .option("--no-tls-verify", "HTTPS target: take any certificate")
    .option("--ca <file>", "HTTPS target: trust these certificates (PEM) and no others")
    .option("--sni <host>", "HTTPS target: the name to ask for and to check, if not its own")
    .option("--strip-prefix", "HTTP: the target does not see the endpoint's prefix")
    .option("--no-rewrite", "HTTP: leave redirects and cookies that name the target as they are");
  if (!edit) return command;
  for (const [flag, text] of [
    ["allow-from", "allow everyone"],
    ["deny-from", "deny nobody"],
    ["expires", "let it never end"],
    ["max-streams", "without that limit"],
    ["new-per-second", "without that limit"],
    ["bytes-per-second", "without that limit"],
    ["proxy-protocol", "without that header"],
    ["idle", "the usual time"],
    ["ca", "trust the public authorities"],
    ["sni", "the target's own name"],
  ]) {
    command.option(`--no-${flag}`, text);
  }
  return command
    .option("--no-reflector-ok", "UDP: answers stay small again")
    .option("--no-strip-prefix", "HTTP: the target sees the prefix again");
}

/** The fields of a rule that the options set. Throws Problem(usage). */
export function ruleFields(options: RuleOptions, now: number, edit: boolean): Record<string, unknown> {
  const { expires, idle, ca, allowFrom, denyFrom } = options;
  const fields = {
    name: options.name,
    owner: options.owner,
    note: options.note,
    access: options.access,
    allow: allowFrom === false ? [] : allowFrom,
    deny: denyFrom === false ? [] : denyFrom,
    expires: typeof expires === "string" ? parseMoment(expires, now) : cleared(expires),
    maxStreams: cleared(options.maxStreams),
    newPerSecond: cleared(options.newPerSecond),
    bytesPerSecond: cleared(options.bytesPerSecond),
    onLoss: options.onLoss,
    proxyProtocol: cleared(options.proxyProtocol),
    idleSeconds: typeof idle === "number" ? Math.round(idle / 1000) : cleared(idle),
    reflectorOk: options.reflectorOk,
  };
  const http = given({
    hostHeader: options.hostHeader,
    // Without an edit, `true` is only commander's default of a --no- option.
    tlsVerify: edit || options.tlsVerify === false ? options.tlsVerify : undefined,
    rewrite: edit || options.rewrite === false ? options.rewrite : undefined,
    ca: typeof ca === "string" ? pemOf(ca) : cleared(ca),
    sni: cleared(options.sni),
    prefix: options.stripPrefix === undefined ? undefined : options.stripPrefix ? "strip" : "keep",
  });
  return { ...given(fields), ...(Object.keys(http).length === 0 ? {} : { http }) };
}

/** `--no-…` is null in a rule: no such limit. */
function cleared<T>(value: T | false | undefined): T | null | undefined {
  return value === false ? null : value;
}

function given(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

function pemOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw Problem.configuration(
      "ca-unreadable",
      `${file} can't be read: ${(error as Error).message}`,
      "give a file of PEM certificates",
    );
  }
}
