import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { AGENT, SALLYPORT, SYSTEM_NODE } from "../../scripts/tool.ts";
import { testEdge, type EdgeOptions, type TestEdge } from "./edge.ts";
import { run, type Run } from "./run.ts";
import { tempDir } from "./temp-dir.ts";
import { ANYWHERE } from "./targets.ts";

export interface SiteOptions extends EdgeOptions {
  /** More words for the agent: `--allow` and what it may dial. */
  readonly agent?: readonly string[];
}

/** An edge with one site, `lab`, whose agent is online. */
export class TestSite implements AsyncDisposable {
  readonly edge: TestEdge;
  readonly agent: Run;
  readonly #folder: string;
  readonly #stack: AsyncDisposableStack;
  #files = 0;

  constructor(edge: TestEdge, agent: Run, folder: string, stack: AsyncDisposableStack) {
    this.edge = edge;
    this.agent = agent;
    this.#folder = folder;
    this.#stack = stack;
  }

  /** Adds a mapping of this site. */
  async map(endpoint: string, target: string, ...options: readonly string[]): Promise<void> {
    await this.edge.ok("map", "add", endpoint, "lab", target, ...options);
  }

  /** A file with a new token of this kind: `visitor`, `gateway`. */
  async token(kind: string, ...options: readonly string[]): Promise<string> {
    this.#files += 1;
    const file = join(this.#folder, `${kind}-${this.#files}`);
    await writeFile(file, await this.edge.ok("token", kind, ...options), { mode: 0o600 });
    return file;
  }

  /** `sallyport connect` with these words, ready. */
  async connect(file: string, ...words: readonly string[]): Promise<Run> {
    const client = this.start("connect", file, ...words);
    await client.until(/"msg":"ready"/);
    return client;
  }

  /** `sallyport gateway` with these words, connected and listening as far as there is something to listen for. */
  async gateway(file: string, ...words: readonly string[]): Promise<Run> {
    const gateway = this.start("gateway", file, ...words);
    await gateway.until(/"msg":"ready"/);
    return gateway;
  }

  start(command: string, file: string, ...words: readonly string[]): Run {
    const args = [SALLYPORT, command, ...words, "--token-file", file, "--log", "json"];
    return this.#stack.use(run(SYSTEM_NODE, args, { interactive: true }));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

/** An edge, and an agent that dials whatever is on this machine. */
export async function testSite(options: SiteOptions = {}, ...serve: readonly string[]): Promise<TestSite> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempDir());
  const edge = stack.use(await testEdge(options, ...serve));
  await edge.ok("site", "add", "lab");
  const file = join(folder.path, "agent-token");
  await writeFile(file, await edge.ok("token", "agent", "lab", "--local", ...ANYWHERE), { mode: 0o600 });
  const agent = stack.use(run(SYSTEM_NODE, [AGENT, "--token-file", file, "--log", "json", ...(options.agent ?? [])]));
  await agent.until(/"msg":"ready"/);
  const owned = stack.move();
  return new TestSite(edge, agent, folder.path, owned);
}

/** Where a listener of `connect` or `gateway` for an endpoint is, once it is there. */
export async function listeningAt(client: Run, endpoint: string): Promise<{ host: string; port: number }> {
  const escaped = endpoint.replaceAll("/", "\\/");
  const [, at = ""] = await client.until(new RegExp(`"msg":"listening","endpoint":"${escaped}","at":"([^"]+)"`));
  const colon = at.lastIndexOf(":");
  return { host: at.slice(0, colon).replace(/^\[|\]$/g, ""), port: Number(at.slice(colon + 1)) };
}
