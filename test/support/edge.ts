import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { SALLYPORT, SYSTEM_NODE } from "../../scripts/tool.ts";
import { isPrepared, perform } from "./commands.ts";
import { loopback } from "./net.ts";
import { run, type Ended, type Run, type RunOptions } from "./run.ts";
import { tempDir } from "./temp-dir.ts";

export interface EdgeOptions {
  /** PORTS the Worker owns, on the edge's own address. */
  readonly tcp?: string;
  /** Where those are, if not on the edge's own address. */
  readonly bind?: string;
}

/** A self-hosted edge of one's own: real workerd, on an address that no other test has. */
export class TestEdge implements AsyncDisposable {
  /** Its address, for HTTP and, unless it was asked to bind elsewhere, for its public ports. */
  readonly host: string;
  /** Where its public ports are. */
  readonly bind: string;
  readonly url: string;
  /** What `serve --data` was given. */
  readonly data: string;
  /** The file of the `sallyport` whose `serve` is run: another version's, for upgrades. */
  program = SALLYPORT;
  /** More of the environment that `serve` is started in. */
  env: Readonly<Record<string, string>> = {};
  readonly #options: EdgeOptions;
  readonly #stack: AsyncDisposableStack;
  #serve: Run | undefined;

  constructor(host: string, folder: string, options: EdgeOptions, stack: AsyncDisposableStack) {
    this.host = host;
    this.bind = options.bind ?? host;
    this.url = `http://${host}:8787`;
    this.data = join(folder, "edge");
    this.#options = options;
    this.#stack = stack;
  }

  get serve(): Run {
    if (this.#serve === undefined) throw new Error("the edge is not running");
    return this.#serve;
  }

  /** Process id of the workerd behind the launcher. */
  get workerd(): number {
    return (JSON.parse(readFileSync(join(this.data, "run/workerd.pid"), "utf8")) as { pid: number }).pid;
  }

  get secretFile(): string {
    return join(this.data, "admin-secret");
  }

  /** Starts `serve`, with more words if given, and waits until it is ready. */
  async start(...more: readonly string[]): Promise<void> {
    const { tcp } = this.#options;
    const ports = tcp === undefined ? [] : ["--tcp", tcp];
    const where = ["--data", this.data, "--listen", `${this.host}:8787`, "--bind", this.bind];
    this.#serve = this.#command(["serve", ...where, ...ports, ...more, "--log", "json"]);
    await this.#serve.until(/"msg":"ready"/);
  }

  async stop(): Promise<Ended> {
    this.serve.kill("SIGTERM");
    return this.serve.ended;
  }

  /** Runs `sallyport` with these words to its end, with logins of this edge alone. */
  async cli(words: readonly string[], options: RunOptions = {}): Promise<Ended> {
    await using child = this.#command(words, options);
    return await child.ended;
  }

  /**
   * Standard output of a command that succeeds, without the line end. What setting up needs most is done in this process:
   * a program for each would be most of what a test costs. `cli` always is the built program.
   */
  async ok(...words: readonly string[]): Promise<string> {
    if (isPrepared(words)) return perform(words, this.#environment());
    const { code, stdout, stderr } = await this.cli(words);
    expect({ words, code, stderr }).toMatchObject({ code: 0 });
    return stdout.trimEnd();
  }

  /** What a command answers with `--json`. */
  async json<T>(...words: readonly string[]): Promise<T> {
    return JSON.parse(await this.ok(...words, "--json")) as T;
  }

  async login(): Promise<void> {
    await this.ok("login", this.url, "--secret-file", this.secretFile);
  }

  /** Speaks to the API by hand. */
  api(method: string, path: string, token: string | null, body?: unknown): Promise<Response> {
    return fetch(`${this.url}/.sallyport/api/v1${path}`, {
      method,
      // A connection of its own: workerd may close an idle one just as the next request is sent on it.
      headers: { connection: "close", ...(token === null ? {} : { authorization: `Bearer ${token}` }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }

  /** The token of the administrator who has logged in here. */
  get adminToken(): string {
    const file = readFileSync(join(this.data, "../config/logins.json"), "utf8");
    const { logins, current } = JSON.parse(file) as { current: string; logins: Record<string, { token: string }> };
    return logins[current]?.token ?? "";
  }

  /** Asks the API as that administrator, and expects to be answered. */
  async ask<T>(method: string, path: string, body?: unknown): Promise<T> {
    const response = await this.api(method, path, this.adminToken, body);
    const answer: unknown = await response.json();
    if (!response.ok) throw new Error(`${method} ${path}: ${JSON.stringify(answer)}`);
    return answer as T;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }

  #command(words: readonly string[], options: RunOptions = {}): Run {
    const isServe = words[0] === "serve";
    const env = { ...this.#environment(), ...(isServe ? this.env : {}), ...options.env };
    const program = isServe ? this.program : SALLYPORT;
    return this.#stack.use(run(SYSTEM_NODE, [program, ...words], { ...options, env }));
  }

  #environment() {
    const SALLYPORT_CONFIG_DIR = join(this.data, "../config");
    return { SALLYPORT_CONFIG_DIR, SALLYPORT_EDGE: undefined, SALLYPORT_ADMIN_TOKEN: undefined };
  }
}

/** An edge that runs and has been logged in to, as the first administrator does it. */
export async function testEdge(options: EdgeOptions = {}, ...more: readonly string[]): Promise<TestEdge> {
  const stack = new AsyncDisposableStack();
  try {
    const folder = stack.use(await tempDir());
    const edge = new TestEdge(loopback(), folder.path, options, stack);
    await edge.start(...more);
    await edge.login();
    return edge;
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}
