import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { decodeJwt } from "jose";
import { parseClaims, type AgentClaims } from "../shared/rule/claims.ts";
import { isTokenText } from "../shared/rule/token-text.ts";
import { EXIT, Problem } from "../link/problem.ts";
import type { Log } from "../link/log.ts";

/** A token, and the file it came from, which can be read again and renewed in place; null if it came otherwise. */
export type TokenSource = { token: string; file: string | null };

export type TokenOptions = { token?: string | undefined; tokenFile?: string | undefined };

/**
 * Reads the token from the flags, the environment, systemd's credentials or the file that the configuration names, in that order.
 * Throws Problem when there is none.
 */
export function readToken(options: TokenOptions, env: NodeJS.ProcessEnv, log: Log, configured?: string): TokenSource {
  if (options.tokenFile !== undefined) return fromFile(options.tokenFile, log);
  if (options.token === "-") return { token: readFileSync(0, "utf8").trim(), file: null };
  if (options.token !== undefined) {
    log("warn", "the token was given on the command line: hidden from the process list now, but --token-file is safer");
    return { token: options.token.trim(), file: null };
  }
  if (env["SALLYPORT_TOKEN_FILE"] !== undefined) return fromFile(env["SALLYPORT_TOKEN_FILE"], log);
  if (env["SALLYPORT_TOKEN"] !== undefined) return { token: env["SALLYPORT_TOKEN"].trim(), file: null };
  if (env["CREDENTIALS_DIRECTORY"] !== undefined) return fromFile(join(env["CREDENTIALS_DIRECTORY"], "token"), log);
  if (configured !== undefined) return fromFile(configured, log);
  throw new Problem(
    EXIT.usage,
    "token-missing",
    "no token was given",
    "agent --token-file FILE, or SALLYPORT_TOKEN; issue one with: sallyport token agent SITE",
  );
}

/** Decodes the claims of the agent's own token. Only the edge verifies tokens. Throws Problem. */
export function claimsOf(token: string): AgentClaims {
  let payload: unknown;
  try {
    if (!isTokenText(token)) throw new Error("not in the form of a token");
    payload = decodeJwt(token);
  } catch {
    throw new Problem(
      EXIT.configuration,
      "token-malformed",
      "the token is not a JWT",
      "copy it whole: three parts joined by dots, no spaces or line breaks",
    );
  }
  const claims = parseClaims("agent", payload);
  if (claims.ok) return claims.value;
  const audience = (payload as { aud?: unknown }).aud;
  const kind =
    typeof audience === "string" && audience.startsWith("sallyport:") ? audience.slice("sallyport:".length) : null;
  if (kind !== null && kind !== "agent") {
    throw new Problem(
      EXIT.configuration,
      "token-wrong-kind",
      `this is a ${kind} token`,
      "an agent needs one of its own: sallyport token agent SITE",
    );
  }
  throw new Problem(
    EXIT.configuration,
    "token-malformed",
    `the token is not a Sallyport token: ${claims.error.message}`,
    "issue a new one: sallyport token agent SITE",
  );
}

function fromFile(file: string, log: Log): TokenSource {
  let token: string;
  try {
    token = readFileSync(file, "utf8").trim();
    if (process.platform !== "win32" && (statSync(file).mode & 0o077) !== 0) {
      log("warn", "others on this machine can read the token file", { file, fix: `chmod 600 ${file}` });
    }
  } catch (error) {
    throw new Problem(
      EXIT.configuration,
      "token-unreadable",
      `the token file ${file} can't be read (${(error as NodeJS.ErrnoException).code})`,
      "check the path and its owner",
    );
  }
  if (token === "")
    throw new Problem(
      EXIT.configuration,
      "token-empty",
      `the token file ${file} is empty`,
      "write a token to it: sallyport token agent SITE --out FILE --force",
    );
  return { token, file };
}
