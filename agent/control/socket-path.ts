import { chmodSync, lstatSync, mkdirSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const NAME = "sallyport-agent";
const SOCKET = /\.sock$/;
const PIPES = "\\\\.\\pipe\\";

/**
 * Chooses the path of this agent's control socket, and makes its folder: SALLYPORT_RUN_DIR, systemd's runtime directory, the user's,
 * root's, or one for this user in the temporary folder. Throws when another user owns that one.
 */
export function controlPath(env: NodeJS.ProcessEnv, site: string, pid: number): string {
  if (process.platform === "win32") return `${PIPES}${NAME}-${site}-${pid}`;
  const folder = env["SALLYPORT_RUN_DIR"] ?? env["RUNTIME_DIRECTORY"]?.split(":")[0] ?? ownFolder(env);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  // Every user may write to the temporary folder, so another user could have made this one first.
  if (folder.startsWith(tmpdir())) requireOwnFolder(folder);
  return join(folder, `${site}-${pid}.sock`);
}

/** Lists the control sockets that this user can find. Some may be left over from agents that were killed. */
export function controlPaths(env: NodeJS.ProcessEnv): string[] {
  if (process.platform === "win32") return list(PIPES, (name) => name.startsWith(`${NAME}-`));
  const named = env["SALLYPORT_RUN_DIR"];
  const folders =
    named === undefined ? new Set([env["RUNTIME_DIRECTORY"] ?? "", ownFolder(env), `/run/${NAME}`]) : [named];
  return [...folders].filter((folder) => folder !== "").flatMap((folder) => list(folder, (name) => SOCKET.test(name)));
}

function ownFolder(env: NodeJS.ProcessEnv): string {
  const user = process.getuid?.() ?? 0;
  if (env["XDG_RUNTIME_DIR"]) return join(env["XDG_RUNTIME_DIR"], NAME);
  return user === 0 ? `/run/${NAME}` : join(tmpdir(), `${NAME}-${user}`);
}

function list(folder: string, isOurs: (name: string) => boolean): string[] {
  try {
    return readdirSync(folder)
      .filter(isOurs)
      .map((name) => (folder === PIPES ? `${PIPES}${name}` : join(folder, name)));
  } catch {
    return [];
  }
}

function requireOwnFolder(folder: string): void {
  const found = lstatSync(folder);
  if (!found.isDirectory() || found.uid !== process.getuid?.()) throw new Error(`${folder} belongs to another user`);
  chmodSync(folder, 0o700);
}
