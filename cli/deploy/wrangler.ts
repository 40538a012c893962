import { spawnSync, type SpawnSyncReturns } from "node:child_process";
import { readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { accessSync, constants } from "node:fs";
import { EXIT, Problem } from "../../link/problem.ts";
import { fetchPackages } from "../fetch-packages.ts";
import { NODES } from "../platform-packages.ts";
import { npmEnv } from "../npm-env.ts";

/** wrangler, run as a program in one folder. */
export class Wrangler {
  readonly #command: string;
  readonly #folder: string;
  readonly #env: NodeJS.ProcessEnv;

  /** `notify` is called with a message before a fetch. Throws Problem when there is no wrangler and none can be fetched. */
  constructor(folder: string, env: NodeJS.ProcessEnv, notify: (message: string) => void) {
    this.#folder = folder;
    const { command, path } = commandOf(env, notify);
    this.#env = { ...npmEnv(env), PATH: path, WRANGLER_SEND_METRICS: "false", WRANGLER_HIDE_BANNER: "true" };
    this.#command = command;
  }

  /** Checks that wrangler starts: it needs Node 22.12, and this program also runs with older versions. Throws Problem. */
  check(): void {
    const { status, stdout, stderr } = this.#run(["--version"]);
    if (status === 0) return;
    const output = [stderr, stdout].find((text) => typeof text === "string" && text.trim() !== "") ?? "not found";
    throw Problem.configuration(
      "wrangler-unusable",
      `${this.#command} does not start: ${output.trim()}`,
      "install Node 22.12 or newer with npm, or set SALLYPORT_WRANGLER to the path of a wrangler",
    );
  }

  isLoggedIn(): boolean {
    return this.#run(["whoami", "--json"]).status === 0;
  }

  /** Logs in to Cloudflare, in a browser that wrangler opens. Throws Problem. */
  login(): void {
    if (this.#run(["login"], { shown: true }).status !== 0)
      throw new Problem(EXIT.failed, "wrangler-login", "wrangler could not log in", "see its message above");
  }

  /** Deploys the Worker and returns its URLs; none if `dryRun`. Throws Problem; wrangler has then printed the reason. */
  deploy(dryRun: boolean): string[] {
    const report = join(this.#folder, "report.ndjson");
    const args = [
      "deploy",
      "--config",
      join(this.#folder, "wrangler.toml"),
      ...(dryRun ? ["--dry-run", "--outdir", join(this.#folder, "out")] : []),
    ];
    const result = this.#run(args, { shown: true, env: { WRANGLER_OUTPUT_FILE_PATH: report } });
    if (result.status !== 0)
      throw new Problem(EXIT.failed, "deploy-failed", "wrangler could not deploy", "see its message above");
    return dryRun ? [] : deployedUrls(report);
  }

  hasSecret(name: string): boolean {
    const { status, stdout } = this.#run([
      "secret",
      "list",
      "--config",
      join(this.#folder, "wrangler.toml"),
      "--format",
      "json",
    ]);
    if (status !== 0) return false;
    try {
      return (JSON.parse(stdout) as { name: string }[]).some((secret) => secret.name === name);
    } catch {
      return false;
    }
  }

  /** Sets a secret of the Worker; passes it on standard input, never on a command line. Throws Problem. */
  putSecret(name: string, value: string): void {
    const result = this.#run(["secret", "put", name, "--config", join(this.#folder, "wrangler.toml")], {
      input: value,
    });
    if (result.status !== 0)
      throw new Problem(
        EXIT.failed,
        "secret-failed",
        `wrangler could not set ${name}: ${result.stderr.trim()}`,
        "run sallyport deploy again",
      );
  }

  #run(
    args: readonly string[],
    { shown = false, input, env = {} }: { shown?: boolean; input?: string; env?: NodeJS.ProcessEnv } = {},
  ): SpawnSyncReturns<string> {
    return spawnSync(this.#command, args, {
      cwd: this.#folder,
      env: { ...this.#env, ...env },
      encoding: "utf8",
      // wrangler's output goes to standard error: standard output is for this program's results.
      stdio: shown ? ["inherit", 2, 2] : ["pipe", "pipe", "pipe"],
      ...(input === undefined ? {} : { input }),
      shell: process.platform === "win32",
    });
  }
}

/** Finds wrangler: SALLYPORT_WRANGLER, else one on PATH, else one that is fetched together with a Node for it. Throws Problem. */
function commandOf(env: NodeJS.ProcessEnv, notify: (message: string) => void): { command: string; path: string } {
  const path = env["PATH"] ?? "";
  if (env["SALLYPORT_WRANGLER"]) return { command: env["SALLYPORT_WRANGLER"], path };
  const name = process.platform === "win32" ? "wrangler.cmd" : "wrangler";
  if (path.split(delimiter).some((folder) => isProgram(join(folder, name)))) return { command: "wrangler", path };
  const node = NODES[`${process.platform} ${process.arch}`];
  try {
    const folder = fetchPackages(["wrangler", ...(node === undefined ? [] : [node])], env, notify);
    return { command: "wrangler", path: `${join(folder, "node_modules/.bin")}${delimiter}${path}` };
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    throw Problem.configuration(
      "wrangler-missing",
      `wrangler could not be fetched: ${cause}`,
      "install it (npm install -g wrangler), or set SALLYPORT_WRANGLER to the path of one",
    );
  }
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function deployedUrls(report: string): string[] {
  const lines = readFileSync(report, "utf8")
    .split("\n")
    .filter((line) => line !== "");
  const entries = lines.map((line) => JSON.parse(line) as { type: string; targets?: string[] });
  return entries.find(({ type }) => type === "deploy")?.targets ?? [];
}
