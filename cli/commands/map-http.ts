import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { Problem } from "../../link/problem.ts";

/** How a target behind a host is spoken to. */
export type HttpFlags = {
  hostHeader?: string;
  tlsVerify: boolean;
  ca?: string;
  sni?: string;
  stripPrefix?: boolean;
  rewrite: boolean;
};

export function withHttpFlags(command: Command): Command {
  return command
    .option("--host-header <host>", "HTTP: the Host that the target sees: visitor, target, or HOST[:PORT]")
    .option("--no-tls-verify", "HTTPS target: take any certificate")
    .option("--ca <file>", "HTTPS target: trust these certificates (PEM) and no others")
    .option("--sni <name>", "HTTPS target: the name to ask for and to check, if not its own")
    .option("--strip-prefix", "HTTP: the target does not see the endpoint's prefix")
    .option("--no-rewrite", "HTTP: leave redirects and cookies that name the target as they are");
}

/** The rule's `http`; undefined when nothing of it was said. Throws Problem when the file can't be read. */
export function httpRule({ hostHeader, tlsVerify, ca, sni, stripPrefix, rewrite }: HttpFlags): object | undefined {
  const said = {
    ...(hostHeader === undefined ? {} : { hostHeader }),
    ...(tlsVerify ? {} : { tlsVerify }),
    ...(ca === undefined ? {} : { ca: pem(ca) }),
    ...(sni === undefined ? {} : { sni }),
    ...(stripPrefix === true ? { prefix: "strip" } : {}),
    ...(rewrite ? {} : { rewrite }),
  };
  return Object.keys(said).length === 0 ? undefined : said;
}

function pem(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw Problem.configuration("ca-unreadable", `${file} can't be read: ${error instanceof Error ? error.message : String(error)}`, "give a file of PEM certificates");
  }
}
