/** Real servers for system tests, from Debian's packages. */
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "vitest";
import { execute } from "./run.ts";

/**
 * Installs what is missing, as root on a machine with apt; elsewhere the test is skipped and says what it lacks.
 * Under CI a package that can't be had fails the test, so that no run is green because it tested nothing.
 */
export async function needs(context: TestContext, ...packages: readonly string[]): Promise<void> {
  const missing = await notInstalled(packages);
  if (missing.length === 0) return;
  const reason = await install(missing);
  if (reason === undefined) return;
  const message = `needs the Debian packages ${missing.join(", ")}: ${reason}`;
  if (process.env.CI !== undefined) throw new Error(message);
  console.warn(`SKIPPED: ${context.task.name}: ${message}`);
  context.skip(message);
}

async function notInstalled(packages: readonly string[]): Promise<string[]> {
  if (!existsSync("/usr/bin/dpkg-query")) return [...packages];
  const { stdout } = await execute("dpkg-query", ["-W", "-f=${Package} ${db:Status-Status}\n", ...packages]);
  const installed = new Set(stdout.split("\n").filter((line) => line.endsWith(" installed")));
  return packages.filter((name) => !installed.has(`${name} installed`));
}

/** The reason why not, or undefined when all are installed. */
async function install(packages: readonly string[]): Promise<string | undefined> {
  if (!existsSync("/usr/bin/apt-get")) return "this is no Debian";
  if (process.getuid?.() !== 0) return `run: sudo apt-get install ${packages.join(" ")}`;
  // flock: test files run in parallel, apt does not.
  const lock = join(tmpdir(), "sallyport-apt.lock");
  const { code, stdout, stderr } = await execute("flock", [lock, "sh", "-eu", "-c", INSTALL, "sh", ...packages], {
    env: { DEBIAN_FRONTEND: "noninteractive" },
  });
  return code === 0 ? undefined : `apt-get failed:\n${(stdout + stderr).slice(-2000)}`;
}

/**
 * Without starting services: policy-rc.d is how Debian's maintainer scripts are told, and it goes afterwards.
 * The package lists are fetched only when there are none yet or they are too old to install from.
 */
const INSTALL = `
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\\nexit 101\\n' > "$policy"
  chmod 755 "$policy"
fi
get() { apt-get install --yes --no-install-recommends -o DPkg::Lock::Timeout=300 "$@"; }
get "$@" || { apt-get update; get "$@"; }
`;
