import { execFileSync } from "node:child_process";
import { EXIT, Problem } from "./problem.ts";

/** What a systemd unit of ours contains. Only the words of `command` and `environment` are quoted when it is written. */
export type Unit = {
  description: string;
  command: readonly string[];
  /** Name of its folders under /var/lib and /run. */
  folder: string;
  /** Credentials: name → file, read by systemd as root and shown to the service alone. */
  credentials: Readonly<Record<string, string>>;
  environment: Readonly<Record<string, string>>;
  /** True if the service opens ports below 1024. */
  lowPorts: boolean;
  /** Seconds from SIGTERM to SIGKILL: longer than the drain. */
  stopSeconds: number;
  /** Limit on open files: two for each stream, and some to spare. */
  files: number;
  reload: boolean;
};

/**
 * Formats the unit file. The service runs as a user that exists only while it runs, sees no home folder and no device, and may write
 * only to its own folders. Only MemoryDenyWriteExecute is left out, because V8 compiles while it runs.
 */
export function unitText(unit: Unit): string {
  const capability = unit.lowPorts ? "CAP_NET_BIND_SERVICE" : "";
  const lines = [
    "[Unit]",
    `Description=${unit.description}`,
    "Wants=network-online.target",
    "After=network-online.target nss-lookup.target",
    "# Restarts for ever: a site must not stay offline because its edge was away for an hour.",
    "StartLimitIntervalSec=0",
    "",
    "[Service]",
    "Type=exec",
    `ExecStart=${unit.command.map(unitWord).join(" ")}`,
    ...(unit.reload ? ["ExecReload=/bin/kill -HUP $MAINPID"] : []),
    ...Object.entries(unit.credentials).map(([name, file]) => `LoadCredential=${name}:${file}`),
    ...Object.entries(unit.environment).map(([name, value]) => `Environment=${unitWord(`${name}=${value}`)}`),
    "Restart=always",
    "RestartSec=5",
    "# Wrong usage, wrong configuration, a refused token: a restart fixes none of them.",
    "RestartPreventExitStatus=2 3 4",
    "KillMode=mixed",
    `TimeoutStopSec=${unit.stopSeconds}`,
    `LimitNOFILE=${unit.files}`,
    "",
    "DynamicUser=yes",
    `StateDirectory=${unit.folder}`,
    "StateDirectoryMode=0700",
    `RuntimeDirectory=${unit.folder}`,
    "RuntimeDirectoryMode=0700",
    "UMask=0077",
    `CapabilityBoundingSet=${capability}`,
    `AmbientCapabilities=${capability}`,
    ...HARDENING,
    // In a user namespace of its own a service has no capability over the machine's ports.
    ...(unit.lowPorts ? [] : ["PrivateUsers=yes"]),
    "",
    "[Install]",
    "WantedBy=multi-user.target",
  ];
  return `${lines.join("\n")}\n`;
}

const HARDENING = [
  "NoNewPrivileges=yes",
  "ProtectSystem=strict",
  "ProtectHome=yes",
  "PrivateTmp=yes",
  "PrivateDevices=yes",
  "DevicePolicy=closed",
  "ProtectKernelTunables=yes",
  "ProtectKernelModules=yes",
  "ProtectKernelLogs=yes",
  "ProtectControlGroups=yes",
  "ProtectClock=yes",
  "ProtectHostname=yes",
  "ProtectProc=invisible",
  "ProcSubset=pid",
  "RemoveIPC=yes",
  "LockPersonality=yes",
  "RestrictNamespaces=yes",
  "RestrictRealtime=yes",
  "RestrictSUIDSGID=yes",
  "# AF_NETLINK: the list of this machine's addresses.",
  "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK",
  "SystemCallArchitectures=native",
  "SystemCallFilter=@system-service",
  "SystemCallFilter=~@privileged",
  "SystemCallErrorNumber=EPERM",
];

/** Quotes a word of ExecStart or Environment, so that `%` and `$` stand for themselves. */
export function unitWord(word: string): string {
  const plain = word.replaceAll("%", "%%").replaceAll("$", "$$$$");
  return /^[\w@+=:,./%[\]-]+$/.test(plain) ? plain : `"${plain.replace(/["\\]/g, "\\$&").replaceAll("\n", "\\n")}"`;
}

/** Runs systemctl. Throws Problem when there is no systemd, or it refuses. */
export function systemctl(...args: readonly string[]): void {
  try {
    execFileSync("systemctl", args, { stdio: ["ignore", "pipe", "pipe"], encoding: "utf8" });
  } catch (error) {
    const { code, stderr } = error as NodeJS.ErrnoException & { stderr?: string };
    const cause = code === "ENOENT" ? "this machine has no systemd" : (stderr ?? "").trim() || "it failed";
    throw new Problem(
      EXIT.failed,
      "systemctl",
      `systemctl ${args.join(" ")}: ${cause}`,
      "the files are in place; start the service by hand",
    );
  }
}
