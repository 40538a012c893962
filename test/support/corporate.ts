import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { AGENT, SALLYPORT, SYSTEM_NODE } from "../../scripts/tool.ts";
import { authority, type Authority } from "./certificates.ts";
import { TestEdge } from "./edge.ts";
import { loopback } from "./net.ts";
import { execute, run, type Ended, type Run } from "./run.ts";
import { tempDir } from "./temp-dir.ts";
import { ANYWHERE } from "./targets.ts";

/** The edge's name, which resolves nowhere but at a proxy: what reaches the edge by it has gone that way. */
const EDGE_NAME = "edge.test";
/** Where the edge listens: for proxies made by hand, it is what they call port 443. */
const EDGE_PORT = 8787;
export const EDGE_URL = `https://${EDGE_NAME}`;
/** The edge's URL for proxies that resolve its name by themselves. */
export const REAL_URL = `${EDGE_URL}:${EDGE_PORT}`;

/** An environment without the proxies of the machine that runs the tests. */
export const NO_PROXIES = Object.fromEntries(
  ["http_proxy", "https_proxy", "all_proxy", "no_proxy"].flatMap((name) => [
    [name, undefined],
    [name.toUpperCase(), undefined],
  ]),
) as Record<string, undefined>;

/** An edge with TLS of an authority that only `--ca` makes known, and programs that have to find their way to it. */
export class Corporation implements AsyncDisposable {
  readonly folder: string;
  readonly edge: TestEdge;
  readonly authority: Authority;
  /** Options for a program that trusts the edge. */
  readonly ca: readonly string[];
  readonly url: string;
  readonly #stack: AsyncDisposableStack;

  constructor(folder: string, url: string, edge: TestEdge, own: Authority, stack: AsyncDisposableStack) {
    this.folder = folder;
    this.url = url;
    this.edge = edge;
    this.authority = own;
    this.ca = ["--ca", own.file];
    this.#stack = stack;
  }

  /** Where a proxy that knows the edge's name leads to. */
  get places(): Record<string, { host: string; port: number }> {
    return { [`${EDGE_NAME}:443`]: { host: this.edge.host, port: EDGE_PORT } };
  }

  /** Starts `agent` with these words. */
  agent(words: readonly string[], env: Readonly<Record<string, string>> = {}): Run {
    return this.#start(AGENT, [...words, "--log", "json"], env);
  }

  /** Starts `sallyport` with these words. */
  start(words: readonly string[], env: Readonly<Record<string, string>> = {}): Run {
    return this.#start(SALLYPORT, [...words, "--log", "json"], env);
  }

  /** Runs `agent` with these words to its end. */
  ask(words: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
    return execute(SYSTEM_NODE, [AGENT, ...words], { env: this.#env(env) });
  }

  /** Runs `sallyport` with these words to its end. */
  cli(words: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
    return execute(SYSTEM_NODE, [SALLYPORT, ...words], { env: this.#env(env) });
  }

  /** Writes a file of mode 0600 and answers its path. */
  async file(name: string, text: string): Promise<string> {
    const path = join(this.folder, name);
    await writeFile(path, text, { mode: 0o600 });
    return path;
  }

  /** Logs in, and makes the site `lab`; answers the file of its agent's token. */
  async site(...how: readonly string[]): Promise<string> {
    await this.edge.ok("login", this.url, "--secret-file", this.edge.secretFile, ...this.ca, ...how);
    await this.edge.ok("site", "add", "lab");
    return this.file("agent.token", await this.edge.ok("token", "agent", "lab", "--local", ...ANYWHERE));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }

  /** What programs are started with. */
  get environment(): Record<string, string | undefined> {
    return this.#env({});
  }

  #start(program: string, words: readonly string[], env: Readonly<Record<string, string>>): Run {
    return this.#stack.use(run(SYSTEM_NODE, [program, ...words], { env: this.#env(env) }));
  }

  #env(env: Readonly<Record<string, string>>): Record<string, string | undefined> {
    const own = { SALLYPORT_RUN_DIR: join(this.folder, "run"), SALLYPORT_CONFIG_DIR: join(this.folder, "config") };
    return { ...NO_PROXIES, ...own, ...env };
  }
}

/** `url`: EDGE_URL or REAL_URL; `serve`: more words for the edge. */
export async function corporation(url: string, ...serve: readonly string[]): Promise<Corporation> {
  await using stack = new AsyncDisposableStack();
  const { path } = stack.use(await tempDir());
  const root = await authority(path, "/O=Acme/CN=Acme Root");
  const { cert, key } = await root.issue(EDGE_NAME);
  const edge = stack.use(new TestEdge(loopback(), path, {}, stack.use(new AsyncDisposableStack())));
  await edge.start("--tls-cert", cert, "--tls-key", key, "--public-url", url, ...serve);
  const owned = stack.move();
  return new Corporation(path, url, edge, root, owned);
}
