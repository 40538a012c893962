import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Log } from "../log.ts";
import { Problem } from "../problem.ts";
import { Dialler } from "./dialler.ts";
import { always, fromEnvironment, hasCredentials, parseProxy, type ProxyChoice } from "./proxy.ts";
import { readAuthorities, Trust } from "./trust.ts";

/** The options for reaching an edge, from flags or a configuration file. */
export type DialFlags = { proxy?: string | undefined; proxyFile?: string | undefined; ca?: string | undefined };

/** The options of every command that dials an edge by itself: flags, and what they do. */
export const DIAL_FLAGS = [
  [
    "--proxy <url>",
    "a proxy to the edge, http(s)://[USER:PASSWORD@]HOST:PORT, or none (default: HTTPS_PROXY, NO_PROXY)",
  ],
  ["--proxy-file <file>", "a file with that URL, for one with a password"],
  ["--ca <file>", "authorities to trust besides the default ones, in PEM (default: SALLYPORT_CA_FILE)"],
] as const;

/** The name of systemd's credential with the URL of a proxy. */
export const PROXY_CREDENTIAL = "proxy";

export type DialSources = {
  /** From the command line. */
  flags: DialFlags;
  /** From a configuration file or a login; flags override them. */
  kept?: DialFlags;
  env: NodeJS.ProcessEnv;
  log: Log;
};

/**
 * Makes the dialler of an edge. The proxy comes from a flag, else from `kept`, else from a service's credential, else from the usual
 * variables; the authorities come from a flag, else from SALLYPORT_CA_FILE, else from `kept`. Throws Problem when one can't be read.
 */
export function diallerOf({ flags, kept = {}, env, log }: DialSources, edge: URL): Dialler {
  const file = flags.ca ?? (env["SALLYPORT_CA_FILE"] || kept.ca);
  const trust = new Trust(file === undefined ? [] : readAuthorities(file));
  if (hasCredentials(flags.proxy ?? ""))
    log(
      "warn",
      "the proxy's password was given on the command line: hidden from the process list now, but --proxy-file is safer",
    );
  const isGiven = flags.proxy !== undefined || flags.proxyFile !== undefined;
  const dialler = new Dialler({ proxy: choiceOf(isGiven ? flags : kept, env, log), trust });
  // Parses a proxy from the environment now, so that a mistake is reported before the first dial.
  dialler.proxyFor(edge);
  return dialler;
}

function choiceOf({ proxy, proxyFile }: DialFlags, env: NodeJS.ProcessEnv, log: Log): ProxyChoice {
  if (proxy !== undefined && proxyFile !== undefined)
    throw Problem.usage("proxy-twice", "--proxy and --proxy-file both name a proxy", "give one of them");
  if (proxy !== undefined) return choiceFrom(proxy, "--proxy");
  if (proxyFile !== undefined) return choiceFrom(read(proxyFile, log), proxyFile);
  const credential = join(env["CREDENTIALS_DIRECTORY"] ?? "", PROXY_CREDENTIAL);
  if (env["CREDENTIALS_DIRECTORY"] && existsSync(credential)) return choiceFrom(read(credential, log), credential);
  return fromEnvironment(env);
}

function choiceFrom(text: string, from: string): ProxyChoice {
  return text === "none" ? () => null : always(parseProxy(text, from));
}

function read(file: string, log: Log): string {
  try {
    const text = readFileSync(file, "utf8").trim();
    if (process.platform !== "win32" && hasCredentials(text) && (statSync(file).mode & 0o077) !== 0)
      log("warn", "others on this machine can read the proxy's password", { file, fix: `chmod 600 ${file}` });
    return text;
  } catch (error) {
    const cause = `the proxy file ${file} can't be read (${(error as NodeJS.ErrnoException).code})`;
    throw Problem.configuration("proxy-unreadable", cause, "check the path and its owner");
  }
}
