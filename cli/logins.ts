import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import * as z from "zod";
import type { DialFlags } from "../link/dial/options.ts";
import { Problem } from "../link/problem.ts";

const login = z.object({
  token: z.string(),
  insecure: z.boolean(),
  proxy: z.string().optional(),
  proxyFile: z.string().optional(),
  ca: z.string().optional(),
});
const file = z.object({ current: z.string(), logins: z.record(z.string(), login) });

/** An edge, the right to administer it, and how it is reached. `insecure`: plain http to another machine was asked for. */
export type Login = { url: string; token: string; insecure: boolean } & DialFlags;

/** Where logins are remembered: readable by their owner alone. */
export function loginsFile(env: NodeJS.ProcessEnv): string {
  const folder = env["SALLYPORT_CONFIG_DIR"] || join(env["XDG_CONFIG_HOME"] || join(homedir(), ".config"), "sallyport");
  return join(folder, "logins.json");
}

/** Remembers a login and makes its edge the one that commands speak to. */
export function rememberLogin(env: NodeJS.ProcessEnv, { url, ...rest }: Login): void {
  const path = loginsFile(env);
  const known = read(path);
  const next = { current: url, logins: { ...known?.logins, [url]: rest } };
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    // Written beside and renamed: a full disk or a crash must not lose the other logins.
    const draft = `${path}.${process.pid}`;
    writeFileSync(draft, `${JSON.stringify(next, undefined, 2)}\n`, { mode: 0o600 });
    renameSync(draft, path);
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    throw Problem.configuration(
      "login-unsaved",
      `the login could not be written to ${path}: ${cause}`,
      "set SALLYPORT_CONFIG_DIR to a folder that this user may write",
    );
  }
}

/**
 * The edge to speak to: SALLYPORT_EDGE with SALLYPORT_ADMIN_TOKEN, SALLYPORT_EDGE alone if there is a login for it,
 * else the last login. A token from the environment goes nowhere but to the edge that is named there. Throws Problem.
 */
export function currentLogin(env: NodeJS.ProcessEnv): Login {
  const { SALLYPORT_EDGE: named, SALLYPORT_ADMIN_TOKEN: given } = env;
  if (given && !named)
    throw Problem.configuration(
      "no-edge",
      "SALLYPORT_ADMIN_TOKEN is set, but not for which edge",
      "set SALLYPORT_EDGE too",
    );
  const known = read(loginsFile(env));
  const url = named ? named.replace(/\/+$/, "") : known?.current;
  const remembered = url === undefined ? undefined : known?.logins[url];
  const token = given || remembered?.token;
  if (url !== undefined && token) return { insecure: false, ...remembered, url, token };
  const cause = url === undefined ? "there is no edge to speak to" : `there is no login for ${url}`;
  throw Problem.configuration(
    "no-login",
    cause,
    "sallyport login URL --secret-file FILE, or set SALLYPORT_EDGE and SALLYPORT_ADMIN_TOKEN",
  );
}

function read(path: string): z.infer<typeof file> | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
  try {
    return file.parse(JSON.parse(text));
  } catch {
    throw Problem.configuration("logins-damaged", `${path} can't be read as logins`, "delete it and log in again");
  }
}
