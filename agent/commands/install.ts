import { readFileSync } from "node:fs";
import { stringify } from "smol-toml";
import { PROXY_CREDENTIAL } from "../../link/dial/options.ts";
import { urlOf } from "../../link/dial/proxy.ts";
import { createLog } from "../../link/log.ts";
import { installedCommand, PROGRAMS, readableFile, InstallRoot } from "../../link/install-root.ts";
import { Problem } from "../../link/problem.ts";
import { systemctl, unitText } from "../../link/unit.ts";
import { DRAIN_MS } from "../../shared/wire/limits.ts";
import { merged, settingsOf, type Options } from "../settings.ts";

export type InstallOptions = Options & { root: string; start: boolean };

const SERVICE = "sallyport-agent";
const UNIT = `/etc/systemd/system/${SERVICE}.service`;
const TOKEN = "/etc/sallyport/agent.token";
const PROXY = "/etc/sallyport/agent.proxy";
const AUTHORITIES = "/etc/sallyport/agent-ca.pem";
const CONFIG = "/etc/sallyport/agent.toml";
/** Limit on open files: two for each of thousands of streams, and some to spare. */
const FILES = 65_536;

/** `agent install --token-file F`: makes a service that starts with the machine. Returns the text to print. Throws Problem. */
export function install(options: InstallOptions, env: NodeJS.ProcessEnv): string {
  if (process.platform !== "linux") {
    throw Problem.configuration(
      "no-systemd",
      `agent install writes systemd units, and this is ${process.platform}`,
      "docs/recipes shows how to do it on macOS, Windows and NAS boxes",
    );
  }
  if (options.tokenFile === undefined)
    throw Problem.usage(
      "token-file-missing",
      "a service takes its token from a file",
      "agent install --token-file FILE",
    );
  // The settings are checked first: an agent that would not run is not installed.
  const log = createLog({ format: "pretty", level: "error", write: () => {} });
  const settings = settingsOf(options, env, log);
  const root = new InstallRoot(options.root);
  const command = installedCommand(root, ["agent.js"]);
  root.write(TOKEN, `${readFileSync(readableFile(options.tokenFile, "the token file"), "utf8").trim()}\n`, 0o600);
  const { trust, proxyFor } = settings.dialler;
  const ca = trust.extra.join("");
  if (ca !== "") root.write(AUTHORITIES, ca, 0o644);
  // This includes a proxy named by a variable of this shell, which the service does not see.
  const proxy = proxyFor(settings.edge);
  if (proxy === null) root.remove(PROXY);
  else root.write(PROXY, `${urlOf(proxy)}\n`, 0o600);
  root.write(CONFIG, configText({ ...merged(options), ca: ca === "" ? undefined : AUTHORITIES }), 0o644);
  const text = unitText({
    description: `Sallyport agent of ${settings.claims.site}`,
    command: [...command, "--config", CONFIG, "--log", "json"],
    folder: SERVICE,
    credentials: { token: TOKEN, ...(proxy === null ? {} : { [PROXY_CREDENTIAL]: PROXY }) },
    environment: {},
    lowPorts: false,
    stopSeconds: DRAIN_MS / 1000 + 15,
    files: FILES,
    reload: true,
  });
  root.write(UNIT, text, 0o644);
  const written = [UNIT, CONFIG, TOKEN, ...(proxy === null ? [] : [PROXY]), ...(ca === "" ? [] : [AUTHORITIES])];
  const dialledBy = proxy === null ? "" : `it dials through ${proxy.name}\n`;
  const done = `installed: ${written.map((path) => root.resolve(path)).join(", ")}\n${dialledBy}`;
  if (!root.isLive || !options.start) return `${done}start it with: systemctl enable --now ${SERVICE}\n`;
  systemctl("daemon-reload");
  systemctl("enable", SERVICE);
  systemctl("restart", SERVICE);
  return `${done}running; see: agent status, journalctl -u ${SERVICE}\n`;
}

/** `agent uninstall`: removes the service with all its files, including the token. Returns the text to print. Throws Problem. */
export function uninstall(options: { root: string }): string {
  const root = new InstallRoot(options.root);
  if (root.isLive && root.has(UNIT)) systemctl("disable", "--now", SERVICE);
  const paths = [
    UNIT,
    CONFIG,
    TOKEN,
    PROXY,
    AUTHORITIES,
    `${PROGRAMS}/agent.js`,
    `${PROGRAMS}/agent`,
    `/var/lib/${SERVICE}`,
    `/var/lib/private/${SERVICE}`,
  ];
  const removed = paths.filter((path) => root.remove(path));
  if (root.isLive && removed.includes(UNIT)) systemctl("daemon-reload");
  return removed.length === 0 ? "nothing was installed\n" : `removed: ${removed.join(", ")}\n`;
}

/** Formats the options as a configuration file, which an admin may edit. Token and proxy are not in it, because they are credentials. */
function configText({ allow, deny, edge, insecure, proxy, ca, metrics, logLevel }: Options): string {
  const direct = proxy === "none" ? proxy : undefined;
  const table = { allow, deny, edge, insecure, proxy: direct, ca, metrics, "log-level": logLevel };
  const given = Object.fromEntries(Object.entries(table).filter(([, value]) => value !== undefined));
  const hint = given["allow"] === undefined ? '# allow = ["192.168.2.0/24:80,443"]\n' : "";
  return `# The options of agent, by their names. After a change, run: systemctl reload ${SERVICE}\n${hint}${stringify(given)}`;
}
