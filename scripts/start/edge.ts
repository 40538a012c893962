/** What a person would type after starting an edge: log in, add a site, make a token, map ports. */
import { execFile } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { isIP } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { formatHostPort } from "../../shared/address/socket-address.ts";
import { formatTarget } from "../../shared/address/target.ts";
import { EVERY_TARGET } from "../../shared/address/target-rule.ts";
import { SALLYPORT, SYSTEM_NODE } from "../tool.ts";
import type { Pair } from "./options.ts";
import { standIn } from "./stand-ins.ts";

const SITE = "demo";

const execute = promisify(execFile);

/** The `sallyport` command, with a memory of logins of its own. */
export class Edge {
  readonly env: NodeJS.ProcessEnv;
  readonly #data: string;

  constructor(data: string) {
    this.#data = data;
    this.env = { ...process.env, SALLYPORT_CONFIG_DIR: join(data, "config") };
  }

  /** Where `serve` keeps the edge. */
  get folder(): string {
    return join(this.#data, "edge");
  }

  async login(url: string): Promise<void> {
    await this.#sallyport("login", url, "--secret-file", join(this.folder, "admin-secret"));
  }

  async addSite(): Promise<void> {
    const sites = await this.#list<{ name: string }>("site", "ls");
    if (!sites.some((site) => site.name === SITE)) await this.#sallyport("site", "add", SITE);
  }

  /** A file with a live agent token that reaches these targets: the one of last time, or else a new one in its place. */
  async agentToken(pairs: readonly Pair[]): Promise<string> {
    const file = join(this.#data, "agent.token");
    const scopeFile = join(this.#data, "agent.scope");
    const scope = tokenScope(pairs);
    const before = existsSync(file) ? tokenId(readFileSync(file, "utf8")) : undefined;
    if (before !== undefined) {
      const tokens = await this.#list<{ jti: string; revoked: boolean | string | number | null }>("token", "ls");
      const isLive = tokens.some((token) => token.jti === before && !token.revoked);
      if (isLive && existsSync(scopeFile) && readFileSync(scopeFile, "utf8") === scope.join(" ")) return file;
    }
    await this.#sallyport("token", "agent", SITE, "--local", ...scope, "--out", file, "--force");
    writeFileSync(scopeFile, scope.join(" "));
    return file;
  }

  /** Makes the site's mappings exactly these ports, and the hosts of stand-ins among them. */
  async map(pairs: readonly Pair[]): Promise<void> {
    const wanted = new Map<string, { target: string; note: string }>(
      pairs.flatMap(({ port, target }) => {
        const stand = standIn(target);
        const rule = { target: formatTarget(target), note: stand?.what ?? "mapped by npm start" };
        const hosts =
          stand?.name === undefined
            ? []
            : [[`http://${stand.name}`, { ...rule, target: `http://${rule.target}` }] as const];
        return [[`${port}/tcp`, rule] as const, ...hosts];
      }),
    );
    for (const { endpoint, site, target } of await this.#list<Record<string, string>>("map", "ls")) {
      if (endpoint === undefined || site !== SITE) continue;
      if (wanted.get(endpoint)?.target === target) wanted.delete(endpoint);
      else await this.#sallyport("map", "rm", endpoint);
    }
    for (const [endpoint, { target, note }] of wanted) {
      await this.#sallyport("map", "add", endpoint, SITE, target, "--note", note);
    }
  }

  async #list<T>(...args: readonly string[]): Promise<T[]> {
    return JSON.parse(await this.#sallyport(...args, "--json")) as T[];
  }

  /** Its standard output. Throws with what it said when it fails. */
  async #sallyport(...args: readonly string[]): Promise<string> {
    try {
      return (await execute(SYSTEM_NODE, [SALLYPORT, ...args], { env: this.env })).stdout;
    } catch (error) {
      const said = error instanceof Error && "stderr" in error ? String(error.stderr) : String(error);
      throw new Error(`sallyport ${args.join(" ")} failed:\n${said}`, { cause: error });
    }
  }
}

/** Only these targets, as far as they are addresses; what a name stands for, `localhost` too, is the agent's to find out. */
function tokenScope(pairs: readonly Pair[]): string[] {
  const targets = pairs.map((pair) => pair.target);
  if (targets.some((target) => isIP(target.host) === 0)) return EVERY_TARGET.flatMap((target) => ["--target", target]);
  return targets.flatMap(({ host, first }) => [
    "--target",
    formatHostPort(`${host}/${isIP(host) === 4 ? 32 : 128}`, first),
  ]);
}

/** The `jti` of a JWT; undefined when it is none. */
function tokenId(token: string): string | undefined {
  try {
    const payload = Buffer.from(token.split(".")[1] ?? "", "base64url").toString();
    return (JSON.parse(payload) as { jti?: string }).jti;
  } catch {
    return undefined;
  }
}
