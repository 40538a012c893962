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

/** An edge, an admin token for it, and how to reach it. `insecure`: unencrypted http to another machine is allowed. */
export type Login = { url: string; token: string; insecure: boolean } & DialFlags;

/** Returns the path of the file with the logins; only its owner can read it. */
export function loginsFile(env: NodeJS.ProcessEnv): string {
  const folder = env["SALLYPORT_CONFIG_DIR"] || join(env["XDG_CONFIG_HOME"] || join(homedir(), ".config"), "sallyport");
  return join(folder, "logins.json");
}

/** Saves a login and makes its edge the current one, which later commands call. Throws Problem. */
export function rememberLogin(env: NodeJS.ProcessEnv, { url, ...rest }: Login): void {
  const path = loginsFile(env);
  const known = read(path);
  const next = { current: url, logins: { ...known?.logins, [url]: rest } };
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    // Written to another file and renamed: a full disk or a crash must not lose the other logins.
    const draft = `${path}.${process.pid}`;
    writeFileSync(draft, `${JSON.stringify(next, undefined, 2)}\n`, { mode: 0o600 });
    renameSync(draft, path);
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    throw Problem.configuration(
      "login-unsaved",
      `the login could not be written to ${path}: ${cause}`,
      "set SALLYPORT_CONFIG_DIR to a folder that this user can write to",
    );
  }
}

/**
 * Returns the edge that commands call: SALLYPORT_EDGE with SALLYPORT_ADMIN_TOKEN; SALLYPORT_EDGE alone, if there is a login for it;
 * else the last login. A token from the environment is sent only to the edge that SALLYPORT_EDGE names. Throws Problem.
 */
export function currentLogin(env: NodeJS.ProcessEnv): Login {
  const { SALLYPORT_EDGE: named, SALLYPORT_ADMIN_TOKEN: given } = env;
  if (given && !named)
    throw Problem.configuration(
      "no-edge",
      "SALLYPORT_ADMIN_TOKEN is set, but SALLYPORT_EDGE, the edge it is for, is not",
      "set SALLYPORT_EDGE to the edge's URL",
    );
  const known = read(loginsFile(env));
  const url = named ? named.replace(/\/+$/, "") : known?.current;
  const remembered = url === undefined ? undefined : known?.logins[url];
  const token = given || remembered?.token;
  if (url !== undefined && token) return { insecure: false, ...remembered, url, token };
  const cause = url === undefined ? "not logged in to any edge" : `not logged in to ${url}`;
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
    throw Problem.configuration("logins-damaged", `${path} is damaged`, "delete it and log in again");
  }
}
