import {
  accessSync,
  chmodSync,
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { Problem } from "./problem.ts";
import { isSingleExecutable } from "./single-executable.ts";

/** The folder of installed programs, unless a package has installed them under /usr/lib. */
export const PROGRAMS = "/usr/local/lib/sallyport";

/** Folders that a service with ProtectHome and PrivateTmp does not see. */
const PRIVATE = /^\/(?:home|root|run\/user|tmp|var\/tmp)\//;

/** The root of a tree of files to install into: `/`, or a folder in its place. */
export class InstallRoot {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** True when the root is `/`, so that services may be started. */
  get isLive(): boolean {
    return this.#folder === "/";
  }

  resolve(path: string): string {
    return join(this.#folder, path);
  }

  has(path: string): boolean {
    return existsSync(this.resolve(path));
  }

  read(path: string): string {
    return readFileSync(this.resolve(path), "utf8");
  }

  /** Writes a file atomically, with this mode from the start. Throws Problem. */
  write(path: string, text: string, mode: number): void {
    const target = this.resolve(path);
    this.#try(target, () => {
      mkdirSync(dirname(target), { recursive: true, mode: 0o755 });
      writeFileSync(`${target}.new`, text, { mode });
      chmodSync(`${target}.new`, mode);
      renameSync(`${target}.new`, target);
    });
  }

  /** Copies a file atomically. Throws Problem. */
  copy(from: string, path: string, mode: number): void {
    const target = this.resolve(path);
    this.#try(target, () => {
      mkdirSync(dirname(target), { recursive: true, mode: 0o755 });
      // Copied beside the target and renamed, because the file of a running program can't be written.
      copyFileSync(from, `${target}.new`);
      chmodSync(`${target}.new`, mode);
      renameSync(`${target}.new`, target);
    });
  }

  /** Removes a file or folder. Returns whether it existed. Throws Problem. */
  remove(path: string): boolean {
    const existed = this.has(path);
    this.#try(this.resolve(path), () => rmSync(this.resolve(path), { recursive: true, force: true }));
    return existed;
  }

  #try(target: string, change: () => void): void {
    try {
      change();
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const fix = code === "EACCES" || code === "EPERM" ? "run it as root: sudo …" : "check the path";
      throw Problem.configuration("install-failed", `${target} can't be written (${code})`, fix);
    }
  }
}

/**
 * Returns the command line that starts this program as a service. Copies the program to PROGRAMS, unless it is there or in /usr/lib
 * already; a single executable only if a service can't see it. `files`: the program's files, the one to start first. Throws Problem when
 * a service can't see Node itself.
 */
export function installedCommand(root: InstallRoot, files: readonly string[]): string[] {
  const node = realpathSync(process.execPath);
  const [main = ""] = files;
  if (isSingleExecutable()) {
    const target = join(PROGRAMS, main.replace(/\.js$/, ""));
    if (!PRIVATE.test(node) && node !== root.resolve(target)) return [node];
    root.copy(node, target, 0o755);
    return [target];
  }
  if (PRIVATE.test(node)) {
    throw Problem.configuration(
      "node-private",
      `Node is in ${node}, where a service can't see it`,
      "install Node for the whole machine (apt install nodejs), or use the single executable",
    );
  }
  const folder = dirname(realpathSync(process.argv[1] ?? ""));
  if (folder.startsWith("/usr/lib/") || folder === PROGRAMS) return [node, join(folder, main)];
  for (const file of files) {
    if (existsSync(join(folder, file))) root.copy(join(folder, file), join(PROGRAMS, file), 0o644);
  }
  return [node, join(PROGRAMS, main)];
}

/** Returns the absolute path of a file that can be read. Throws Problem. */
export function readableFile(path: string, what: string): string {
  try {
    const real = realpathSync(path);
    accessSync(real, constants.R_OK);
    return real;
  } catch (error) {
    throw Problem.configuration(
      "file-unreadable",
      `${what} ${path} can't be read (${(error as NodeJS.ErrnoException).code})`,
      "check the path and its owner",
    );
  }
}
