import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Command } from "commander";
import workerSource from "worker:source";
import { EXIT, Problem } from "../../link/problem.ts";
import type { LoginView, SiteView } from "../../shared/rule/api.ts";
import { parseEdgeUrl } from "../../shared/address/edge-url.ts";
import { parseHostName } from "../../shared/address/host.ts";
import { collect, makeDialler, type Context } from "../context.ts";
import { hostNotes, wranglerConfig } from "../deploy/wrangler-config.ts";
import { Wrangler } from "../deploy/wrangler.ts";
import { allPages, checkedUrl, openEdge, type Edge } from "../edge.ts";
import { issueInto } from "../issue.ts";
import { loginsFile, rememberLogin } from "../logins.ts";
import { ask } from "../prompt.ts";
import { newSecretFile } from "../secret-file.ts";

type Options = { host?: string[]; name?: string; site?: string; secretFile?: string; url?: string; dryRun?: boolean };

const SECRET = "ADMIN_SECRET";
/** A new hostname takes a while to get its DNS record and certificate. */
const LOGIN_ATTEMPTS = 40;
const LOGIN_PAUSE_MS = 3_000;

/** `sallyport deploy [--host H]…` */
export function deployCommand(context: Context): Command {
  return new Command("deploy")
    .description(
      "Deploy the edge to Cloudflare with wrangler, log in to it and make the first site; run again, it updates the edge.",
    )
    .option("--host <host>", "a hostname for the edge in one of the account's zones, or *.ZONE; repeatable", collect)
    .option("--name <name>", "the Worker's name (default: sallyport)")
    .option("--site <name>", "the first site; its agent's token is written to NAME.token")
    .option("--secret-file <file>", "a file with the admin secret; without it, one is made at the first deploy")
    .option("--url <url>", "the edge's URL, if it is not the one that wrangler reports")
    .option("--dry-run", "do everything except the upload")
    .action((options: Options) => deploy(context, options));
}

async function deploy(context: Context, options: Options): Promise<void> {
  const { env, output } = context;
  const print = (text: string): void => output.err(`${text}\n`);
  const folder = mkdtempSync(join(tmpdir(), "sallyport-deploy-"));
  try {
    const wrangler = new Wrangler(folder, env, print);
    wrangler.check();
    if (options.dryRun !== true && !wrangler.isLoggedIn()) logIn(wrangler);
    const name = await nameOf(options);
    const hosts = await hostsOf(options);
    writeFileSync(join(folder, "worker.js"), workerSource);
    writeFileSync(join(folder, "wrangler.toml"), wranglerConfig({ name, hosts }));
    for (const note of hostNotes(hosts)) print(note);
    const targets = wrangler.deploy(options.dryRun === true);
    if (options.dryRun === true) return print("dry run: nothing was uploaded");

    const url = urlOf(options, hosts, targets);
    const secretFile = resolve(options.secretFile ?? join(dirname(loginsFile(env)), `${name}.admin-secret`));
    const isNew = !wrangler.hasSecret(SECRET);
    if (isNew) wrangler.putSecret(SECRET, secretIn(secretFile, print));
    const edge = await logInto(context, url, secretFile, isNew);
    print(`the edge is at ${url}, and you are logged in`);
    await firstSite(edge, options, print);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function logIn(wrangler: Wrangler): void {
  if (process.stdin.isTTY) return wrangler.login();
  throw Problem.configuration(
    "cloudflare-login",
    "wrangler is not logged in to a Cloudflare account",
    "run npx wrangler login, or set CLOUDFLARE_API_TOKEN",
  );
}

async function nameOf({ name }: Options): Promise<string> {
  const chosen = name ?? ((await ask("Name of the Worker [sallyport]: ")) || "sallyport");
  if (/^[a-z0-9][a-z0-9-]{0,62}$/.test(chosen)) return chosen;
  throw Problem.usage(
    "name-invalid",
    `${JSON.stringify(chosen)} is not a valid name for a Worker`,
    "use up to 63 lower-case letters, digits and hyphens: --name sallyport",
  );
}

async function hostsOf({ host }: Options): Promise<string[]> {
  const hosts =
    host ??
    (await ask("Hostnames in your zones, separated by spaces [none, only workers.dev]: "))
      .split(/\s+/)
      .filter((each) => each !== "");
  return hosts.map((text) => {
    const isWildcard = text.startsWith("*.");
    const parsed = parseHostName(isWildcard ? text.slice(2) : text);
    if (!parsed.ok)
      throw Problem.usage("host-invalid", parsed.error.message, parsed.error.fix ?? "--host edge.example.com");
    return isWildcard ? `*.${parsed.value}` : parsed.value;
  });
}

/** Chooses the edge's URL: --url, else the first host that is no wildcard, else what wrangler reports. Throws Problem. */
function urlOf({ url }: Options, hosts: readonly string[], targets: readonly string[]): string {
  const own = hosts.find((host) => !host.startsWith("*."));
  const found = url ?? (own === undefined ? targets.find((target) => target.startsWith("https://")) : `https://${own}`);
  if (found !== undefined) return checkedUrl(found, false);
  throw new Problem(
    EXIT.failed,
    "url-unknown",
    "the edge is deployed, but wrangler did not report its URL",
    "run again with --url https://NAME.SUBDOMAIN.workers.dev",
  );
}

/** Reads the admin secret from the file; makes both if the file does not exist. */
function secretIn(file: string, print: (text: string) => void): string {
  if (existsSync(file)) return readFileSync(file, "utf8").trim();
  const secret = randomBytes(32).toString("base64url");
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  writeFileSync(file, `${secret}\n`, { mode: 0o600, flag: "wx" });
  print(`the admin secret is in ${file}: keep a copy in a safe place`);
  return secret;
}

async function logInto(context: Context, url: string, secretFile: string, isNew: boolean): Promise<Edge> {
  if (!existsSync(secretFile)) {
    throw Problem.configuration(
      "secret-missing",
      `the edge is deployed, but the file with its admin secret, ${secretFile}, does not exist`,
      `log in with that secret: sallyport login ${url}`,
    );
  }
  const secret = readFileSync(secretFile, "utf8").trim();
  for (let attemptsLeft = isNew ? LOGIN_ATTEMPTS : 3; ; attemptsLeft--) {
    try {
      const connection = { url, insecure: false, dialler: makeDialler(context, url, {}) };
      const { token } = await openEdge({ ...connection, token: null }).call<LoginView>("POST", "/login", {
        secret,
        url,
      });
      rememberLogin(context.env, { url, token, insecure: false });
      return openEdge({ ...connection, token });
    } catch (error) {
      // Errors are normal until Cloudflare has distributed the secret and the host name.
      if (!(error instanceof Problem) || attemptsLeft <= 1 || error.exit === EXIT.token) throw error;
      await sleep(LOGIN_PAUSE_MS);
    }
  }
}

async function firstSite(edge: Edge, { site: given }: Options, print: (text: string) => void): Promise<void> {
  const sites = await allPages<SiteView>(edge, "/sites", "sites");
  const site = given ?? (sites.length > 0 ? "" : await ask("Name of the first site [home]: ", "home"));
  if (site === "") return;
  if (!sites.some(({ name }) => name === site)) await edge.call<SiteView>("POST", "/sites", { name: site });
  const file = resolve(`${site}.token`);
  if (existsSync(file)) return print(`${file} exists already and was kept: agent --token-file ${site}.token`);
  const parsed = parseEdgeUrl(edge.url);
  const local = parsed.ok && parsed.value.isLoopback;
  using kept = newSecretFile(file, false);
  await issueInto(kept, edge, { kind: "agent", site, local });
  print(`copy ${file} to a machine in the LAN of ${site}, and run there: agent --token-file ${site}.token`);
}
