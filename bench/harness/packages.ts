import { existsSync } from "node:fs";
import { execute } from "../../test/support/run.ts";

/** Program → Debian's package. */
const PROGRAMS = {
  "/usr/bin/iperf3": "iperf3",
  "/usr/bin/wrk": "wrk",
  "/usr/sbin/nginx": "nginx-light",
  "/usr/bin/socat": "socat",
  "/usr/sbin/haproxy": "haproxy",
  "/usr/sbin/sshd": "openssh-server",
  "/usr/bin/ssh": "openssh-client",
} as const;

/** Without these nothing can be measured. */
const NEEDED = ["/usr/bin/iperf3", "/usr/sbin/nginx"];

/**
 * Installs the load generators and baselines that are missing, as root on Debian; else says what would be left out.
 * Throws when not even the load generators can be had.
 */
export async function prepare(): Promise<void> {
  const missing = (): string[] => Object.entries(PROGRAMS).flatMap(([path, name]) => (existsSync(path) ? [] : [name]));
  const wanted = missing();
  if (wanted.length > 0 && existsSync("/usr/bin/apt-get") && process.getuid?.() === 0)
    await execute("sh", ["-c", INSTALL, "sh", ...wanted]);
  const still = missing();
  if (still.length > 0)
    console.error(`MISSING, so left out: ${still.join(", ")} (sudo apt-get install ${still.join(" ")})`);
  const lacking = NEEDED.filter((path) => !existsSync(path));
  if (lacking.length > 0) throw new Error(`nothing can be measured without ${lacking.join(" and ")}`);
}

/** Without starting services, as Debian's maintainer scripts are told by policy-rc.d. */
const INSTALL = `
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\\nexit 101\\n' > "$policy"
  chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
get() { apt-get install --yes --no-install-recommends -o DPkg::Lock::Timeout=300 "$@"; }
get "$@" || { apt-get update; get "$@"; }
`;
