import { installedCommand, PROGRAMS, readableFile, Root } from "../../link/place.ts";
import { Problem } from "../../link/problem.ts";
import { systemctl, unitText } from "../../link/unit.ts";
import type { ServeOptions } from "./serve-options.ts";
import { readTls } from "./tls.ts";
import { findWorkerd } from "./find-workerd.ts";

const SERVICE = "sallyport-edge";
const UNIT = `/etc/systemd/system/${SERVICE}.service`;
const WORKERD = `${PROGRAMS}/workerd`;
/** What a service's own state may be in: systemd makes it, and gives it to the service's user. */
const STATE = "/var/lib/";
/** An idle TCP connection takes two descriptors of workerd, a streaming one up to six. */
const FILES = 262_144;
/** Seconds: the launcher gives workerd half a second, and itself ends at once. */
const STOP_SECONDS = 20;

/** `serve … --install`: a service with these options. `words` are those of the command line. Answers what was done. Throws Problem. */
export function installEdge(
  words: readonly string[],
  options: ServeOptions,
  place: { root: string; start: boolean },
): string {
  if (process.platform !== "linux")
    throw Problem.configuration(
      "no-systemd",
      "serve --install writes systemd units",
      "start serve with what this system starts services with",
    );
  const folder = options.data.startsWith(STATE) ? options.data.slice(STATE.length).replace(/\/+$/, "") : "";
  if (!/^[\w.-]+$/.test(folder)) {
    throw Problem.usage(
      "data-not-state",
      `a service keeps its data under ${STATE}, not in ${options.data}`,
      `--data ${STATE}sallyport; take existing data along with sallyport backup and restore`,
    );
  }
  // All that may be refused, before anything is put down.
  const credentials = options.tls === null ? {} : credentialsOf(options.tls);
  const workerd = findWorkerd(options.env, () => {});
  const root = new Root(place.root);
  const command = installedCommand(root, ["sallyport.js"]);
  // The service has no home folder to fetch it into.
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
  const done = `installed: ${root.at(UNIT)}, ${root.at(WORKERD)}\n`;
  if (!root.isLive || !place.start) return `${done}start it with: systemctl enable --now ${SERVICE}\n`;
  systemctl("daemon-reload");
  systemctl("enable", SERVICE);
  systemctl("restart", SERVICE);
  return `${done}running; see: journalctl -u ${SERVICE}; the admin secret is in ${options.data}/admin-secret\n`;
}

/** `serve --uninstall`: the service and the programs; the data stays. */
export function uninstallEdge(place: { root: string }): string {
  const root = new Root(place.root);
  if (root.isLive && root.has(UNIT)) systemctl("disable", "--now", SERVICE);
  const removed = [UNIT, WORKERD, `${PROGRAMS}/sallyport.js`, `${PROGRAMS}/sallyport`].filter((path) =>
    root.remove(path),
  );
  if (root.isLive && removed.includes(UNIT)) systemctl("daemon-reload");
  return removed.length === 0
    ? "nothing was installed\n"
    : `removed: ${removed.join(", ")}; what the edge kept stays in ${STATE}\n`;
}

/** Certificate and key belong to root, and are shown to the service as credentials. */
function credentialsOf(files: { certificate: string; key: string }): Record<string, string> {
  const certificate = readableFile(files.certificate, "the certificate");
  const key = readableFile(files.key, "the key");
  readTls({ certificate, key });
  // By the names given, not what they lead to: renewal changes where a link leads.
  return { "tls-cert": absolute(files.certificate), "tls-key": absolute(files.key) };
}

function absolute(path: string): string {
  if (path.startsWith("/")) return path;
  throw Problem.usage("path-relative", `${path} is relative, and a service starts in /`, "write it from / on");
}

/** The command line as the service has it. */
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
