import {
  chmodSync,
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { decodeJwt } from "jose";
import { parseClaims } from "../shared/rule/claims.ts";
import { readSuccessor, type RenewableKind } from "./successor.ts";

// Renewed tokens are stored in the file that the token came from, else in the state directory, where the next start finds them.

/** Where a renewed token was stored. */
export type Kept = { at: "file" | "state"; path: string } | { at: "memory"; reason: string };

/** Stores a renewed token of this identity. `file` is the one it came from; null if it came otherwise. Never throws. */
export function keepToken(token: string, sub: string, file: string | null, env: NodeJS.ProcessEnv): Kept {
  let reason = "";
  if (file !== null) {
    try {
      return { at: "file", path: writeToken(realpathSync(file), token) };
    } catch (error) {
      // Systemd's credentials, for example, are read-only.
      reason = (error as NodeJS.ErrnoException).code ?? String(error);
    }
  }
  try {
    const path = stateFile(sub, env);
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    return { at: "state", path: writeToken(path, token) };
  } catch (error) {
    return { at: "memory", reason: (error as NodeJS.ErrnoException).code ?? (reason || String(error)) };
  }
}

/** Returns the token in the state directory if it renews `token` and expires later; else `token`. */
export function newestToken(kind: RenewableKind, token: string, env: NodeJS.ProcessEnv): string {
  try {
    const given = parseClaims(kind, decodeJwt(token));
    if (!given.ok) return token;
    const kept = readFileSync(stateFile(given.value.sub, env), "utf8").trim();
    const next = readSuccessor(kind, given.value, kept);
    return next.ok && next.value.exp > given.value.exp ? kept : token;
  } catch {
    // There is none, or `token` is malformed, which other code reports.
    return token;
  }
}

function stateFile(sub: string, env: NodeJS.ProcessEnv): string {
  const [given] = (env["STATE_DIRECTORY"] ?? "").split(":");
  const home = env["XDG_STATE_HOME"] || join(env["HOME"] ?? homedir(), ".local/state");
  return join(given || join(home, "sallyport"), `token-${sub.replaceAll(/[^\w-]/g, "_")}`);
}

/** Writes a token atomically, in a file that only this user can read from the start. */
function writeToken(path: string, token: string): string {
  const fresh = `${path}.${process.pid}.new`;
  try {
    const file = openSync(fresh, "w", 0o600);
    try {
      writeSync(file, `${token}\n`);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    chmodSync(fresh, 0o600);
    renameSync(fresh, path);
  } catch (error) {
    rmSync(fresh, { force: true });
    throw error;
  }
  return path;
}
