import { installedCommand, PROGRAMS, readableFile, InstallRoot } from "../../link/install-root.ts";
import { Problem } from "../../link/problem.ts";
import { systemctl, unitText } from "../../link/unit.ts";
import type { ServeOptions } from "./serve-options.ts";
import { readTls } from "./tls.ts";
import { findWorkerd } from "./find-workerd.ts";

const SERVICE = "sallyport-edge";
const UNIT = `/etc/systemd/system/${SERVICE}.service`;
const WORKERD = `${PROGRAMS}/workerd`;
/** The folder in which systemd makes a service's state folder (StateDirectory=), owned by the service's user. */
const STATE = "/var/lib/";
/** Open files that the service may have: an idle TCP connection takes two of workerd's, a streaming one up to six. */
const FILES = 262_144;
/** Seconds that systemd waits for a stop: the launcher gives workerd half a second and then ends at once. */
const STOP_SECONDS = 20;

/** `serve … --install`: installs a systemd service with the command line `words`. Returns a report for people. Throws Problem. */
export function installEdge(
  words: readonly string[],
  options: ServeOptions,
  place: { root: string; start: boolean },
): string {
  if (process.platform !== "linux")
    throw Problem.configuration(
      "no-systemd",
      `serve --install needs systemd, which ${process.platform} does not have`,
      "start serve with this system's own service manager",
    );
  const folder = options.data.startsWith(STATE) ? options.data.slice(STATE.length).replace(/\/+$/, "") : "";
  if (!/^[\w.-]+$/.test(folder)) {
    throw Problem.usage(
      "data-not-state",
      `a service keeps its data under ${STATE}, not in ${options.data}`,
      `use --data ${STATE}sallyport; move existing data there with sallyport backup and restore`,
    );
  }
  // Everything that may fail comes before the first file is written.
  const credentials = options.tls === null ? {} : credentialsOf(options.tls);
  const workerd = findWorkerd(options.env, () => {});
  const root = new InstallRoot(place.root);
  const command = installedCommand(root, ["sallyport.js"]);
  // Copied, because the service has no home folder into which workerd could be fetched.
  root.copy(workerd, WORKERD, 0o755);
  const ports = [options.listen, ...options.tcp.map(({ first }) => ({ port: first }))].map(({ port }) => port);
  const text = unitText({
    description: "Sallyport edge",
    command: [...command, ...serviceWords(words)],
    folder,
    credentials,
    environment: { SALLYPORT_WORKERD: WORKERD },
    lowPorts: ports.some((port) => port > 0 && port < 1024),
    stopSeconds: STOP_SECONDS,
    files: FILES,
    reload: true,
  });
  root.write(UNIT, text, 0o644);
  const done = `installed: ${root.resolve(UNIT)}, ${root.resolve(WORKERD)}\n`;
  if (!root.isLive || !place.start) return `${done}start it with: systemctl enable --now ${SERVICE}\n`;
  systemctl("daemon-reload");
  systemctl("enable", SERVICE);
  systemctl("restart", SERVICE);
  return `${done}running; see: journalctl -u ${SERVICE}; the admin secret is in ${options.data}/admin-secret\n`;
}

/** `serve --uninstall`: removes the service and the programs; the data stays. Returns a report for people. */
export function uninstallEdge(place: { root: string }): string {
  const root = new InstallRoot(place.root);
  if (root.isLive && root.has(UNIT)) systemctl("disable", "--now", SERVICE);
  const removed = [UNIT, WORKERD, `${PROGRAMS}/sallyport.js`, `${PROGRAMS}/sallyport`].filter((path) =>
    root.remove(path),
  );
  if (root.isLive && removed.includes(UNIT)) systemctl("daemon-reload");
  return removed.length === 0
    ? "nothing was installed\n"
    : `removed: ${removed.join(", ")}; the edge's data stays in ${STATE}\n`;
}

/** Checks certificate and key, which only root can read, and returns their paths as systemd credentials. Throws Problem. */
function credentialsOf(files: { certificate: string; key: string }): Record<string, string> {
  const certificate = readableFile(files.certificate, "the certificate");
  const key = readableFile(files.key, "the key");
  readTls({ certificate, key });
  // The paths as given, with links unresolved: a renewal changes where a link leads.
  return { "tls-cert": absolute(files.certificate), "tls-key": absolute(files.key) };
}

function absolute(path: string): string {
  if (path.startsWith("/")) return path;
  throw Problem.usage(
    "path-relative",
    `${path} is a relative path, and a service starts in /`,
    "give an absolute path",
  );
}

/** Converts the command line to the service's: without the options of the installation, with credentials for the TLS files. */
function serviceWords(words: readonly string[]): string[] {
  const kept: string[] = [];
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? "";
    const [name = ""] = word.split("=", 1);
    if (["--install", "--no-start"].includes(name)) continue;
    if (["--tls-cert", "--tls-key", "--root", "--log"].includes(name)) {
      if (!word.includes("=")) at++;
      if (name.startsWith("--tls")) kept.push(name, `/run/credentials/${SERVICE}.service/${name.slice(2)}`);
    } else kept.push(word);
  }
  return [...kept, "--log", "json"];
}
