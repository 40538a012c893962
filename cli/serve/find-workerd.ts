import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { Problem } from "../../link/problem.ts";
import { fetchPackages } from "../fetch-packages.ts";
import { WORKERDS } from "../platform-packages.ts";

/** The version of workerd that this program is built and tested with; the same as in package.json. */
export const WORKERD_VERSION = "1.20261117.1";

/**
 * Returns the path of a workerd that runs on this machine: SALLYPORT_WORKERD, else the one installed beside this program, else one
 * that npm fetches once into the cache folder. `notify` is called with a message before a fetch. Throws Problem.
 */
export function findWorkerd(env: NodeJS.ProcessEnv, notify: (message: string) => void): string {
  const path = env["SALLYPORT_WORKERD"] || installedPath() || fetchedPath(env, notify);
  checkRuns(path);
  return path;
}

function packageName(): string {
  const name = WORKERDS[`${process.platform} ${process.arch}`];
  if (name !== undefined) return name;
  throw Problem.configuration(
    "workerd-platform",
    `there is no workerd for ${process.platform} ${process.arch}`,
    "run the edge on Linux, macOS or Windows (x64 or arm64), or on Cloudflare",
  );
}

const binary = join("bin", process.platform === "win32" ? "workerd.exe" : "workerd");

function installedPath(): string | undefined {
  try {
    return createRequire(import.meta.url).resolve(`${packageName()}/${binary}`);
  } catch (error) {
    if (error instanceof Problem) throw error;
    return undefined;
  }
}

function fetchedPath(env: NodeJS.ProcessEnv, notify: (message: string) => void): string {
  const name = packageName();
  try {
    return join(
      fetchPackages([name], env, (message) => notify(`${message} (about 50 MB)`)),
      "node_modules",
      name,
      binary,
    );
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    throw Problem.configuration(
      "workerd-missing",
      `workerd ${WORKERD_VERSION} could not be fetched: ${cause}`,
      "install workerd yourself (npm install -g workerd) and set SALLYPORT_WORKERD to its binary",
    );
  }
}

/** Runs `workerd --version`, because a workerd that can't start would fail later with a less clear error. Throws Problem. */
function checkRuns(path: string): void {
  try {
    execFileSync(path, ["--version"], { stdio: ["ignore", "pipe", "pipe"], encoding: "utf8" });
  } catch (error) {
    const stderr = error instanceof Error && "stderr" in error ? String(error.stderr) : "";
    const missing = error instanceof Error && "code" in error && error.code === "ENOENT";
    if (/GLIBC|GLIBCXX|CXXABI/.test(stderr) || (missing && existsSync(path))) {
      throw Problem.configuration(
        "workerd-libc",
        `this system's C library is too old for workerd, or not glibc${firstLine(stderr)}`,
        "use a system with glibc 2.35 or newer (Debian 12, Ubuntu 22.04); Alpine can't run workerd",
      );
    }
    const cause = missing ? "no such file" : firstLine(stderr) || (error instanceof Error ? `: ${error.message}` : "");
    throw Problem.configuration(
      "workerd-broken",
      `${path} does not start: ${cause.replace(/^: /, "")}`,
      "set SALLYPORT_WORKERD to a working workerd, or unset it to use the one that comes with sallyport",
    );
  }
}

function firstLine(text: string): string {
  const line = text.trim().split("\n")[0];
  return line ? `: ${line}` : "";
}
