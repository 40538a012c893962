import { readFileSync, statSync } from "node:fs";
import { decodeJwt } from "jose";
import type { GatewayClaims, VisitorClaims } from "../shared/rule/claims.ts";
import { parseClaims } from "../shared/rule/claims.ts";
import { isTokenText } from "../shared/rule/token-text.ts";
import type { Log } from "../link/log.ts";
import { EXIT, Problem } from "../link/problem.ts";

export type TokenOptions = { token?: string; tokenFile?: string };

/** Reads the token from the flags or the environment, in that order. Throws Problem when there is none. */
export function readToken({ token, tokenFile }: TokenOptions, env: NodeJS.ProcessEnv, log: Log): string {
  if (tokenFile !== undefined) return fromFile(tokenFile, log);
  if (token === "-") return readFileSync(0, "utf8").trim();
  if (token !== undefined) return token.trim();
  if (env["SALLYPORT_TOKEN_FILE"]) return fromFile(env["SALLYPORT_TOKEN_FILE"], log);
  if (env["SALLYPORT_TOKEN"]) return env["SALLYPORT_TOKEN"].trim();
  throw Problem.usage(
    "token-missing",
    "no token was given",
    "--token-file FILE, or SALLYPORT_TOKEN; an admin issues one: sallyport token visitor --endpoint E",
  );
}

/** Decodes the claims of the program's own token. Only the edge verifies tokens. Throws Problem. */
export function claimsOf(kind: "visitor", token: string): VisitorClaims;
export function claimsOf(kind: "gateway", token: string): GatewayClaims;
export function claimsOf(kind: "visitor" | "gateway", token: string): VisitorClaims | GatewayClaims {
  let payload: unknown;
  try {
    if (!isTokenText(token)) throw new Error("not in the form of a token");
    payload = decodeJwt(token);
  } catch {
    throw Problem.configuration(
      "token-malformed",
      "the token is not a JWT",
      "copy it whole: three parts joined by dots",
    );
  }
  const claims = parseClaims(kind, payload);
  if (claims.ok) return claims.value;
  const { aud } = payload as { aud?: unknown };
  const found = typeof aud === "string" && aud.startsWith("sallyport:") ? aud.slice("sallyport:".length) : null;
  if (found !== null && found !== kind) {
    throw Problem.configuration(
      "token-wrong-kind",
      `this is a token for ${found === "agent" ? "an agent" : `a ${found}`}`,
      `ask for one of its own: sallyport token ${kind}`,
    );
  }
  throw Problem.configuration(
    "token-malformed",
    `the token is not a Sallyport token: ${claims.error.message}`,
    `ask for a new one: sallyport token ${kind}`,
  );
}

function fromFile(file: string, log: Log): string {
  try {
    const token = readFileSync(file, "utf8").trim();
    if (process.platform !== "win32" && (statSync(file).mode & 0o077) !== 0) {
      log("warn", "others on this machine can read the token file", { file, fix: `chmod 600 ${file}` });
    }
    if (token !== "") return token;
  } catch (error) {
    const cause = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new Problem(
      EXIT.configuration,
      "token-unreadable",
      `the token file ${file} can't be read (${cause})`,
      "check the path and its owner",
    );
  }
  throw Problem.configuration("token-empty", `the token file ${file} is empty`, "put the token into it");
}
