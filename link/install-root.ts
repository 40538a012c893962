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

/** Where installed programs are kept, unless a package has put them somewhere under /usr itself. */
export const PROGRAMS = "/usr/local/lib/sallyport";

/** Folders that a service with ProtectHome and PrivateTmp does not see. */
const PRIVATE = /^\/(?:home|root|run\/user|tmp|var\/tmp)\//;

/** A tree of files to write into: `/`, or a folder that stands for it. */
export class InstallRoot {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** True when it is this very machine, so that its services may be started. */
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

  /** Whole or not at all, with this mode from its first moment. Throws Problem. */
  write(path: string, text: string, mode: number): void {
    const target = this.resolve(path);
    this.#try(target, () => {
      mkdirSync(dirname(target), { recursive: true, mode: 0o755 });
      writeFileSync(`${target}.new`, text, { mode });
      chmodSync(`${target}.new`, mode);
      renameSync(`${target}.new`, target);
    });
  }

  copy(from: string, path: string, mode: number): void {
    const target = this.resolve(path);
    this.#try(target, () => {
      mkdirSync(dirname(target), { recursive: true, mode: 0o755 });
      // Beside it and renamed: a running program's file can't be written.
      copyFileSync(from, `${target}.new`);
      chmodSync(`${target}.new`, mode);
      renameSync(`${target}.new`, target);
    });
  }

  /** Answers whether there was something. */
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
 * The words that start this very program from a service, copied to where a service can see it if need be.
 * `files` are the program's own; the first is started. Throws Problem when Node itself can't be seen.
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

/** An absolute path of a file that can be read. Throws Problem. */
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
