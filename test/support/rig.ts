import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { AGENT, SALLYPORT, SYSTEM_NODE } from "../../scripts/tool.ts";
import { testEdge, type TestEdge } from "./edge.ts";
import { link, type Link } from "./link.ts";
import { run, type Run } from "./run.ts";
import { listeningAt } from "./site.ts";
import { ANYWHERE } from "./targets.ts";

/** An edge that owns port 8080, an agent of its site `lab`, and clients; each on a path of its own that can be cut and darkened. */
export class Rig implements AsyncDisposable {
  readonly edge: TestEdge;
  readonly agent: Run;
  /** Between the agent and the edge, and between clients and the edge. */
  readonly inner: Link;
  readonly outer: Link;
  readonly #stack: AsyncDisposableStack;

  constructor(edge: TestEdge, agent: Run, inner: Link, outer: Link, stack: AsyncDisposableStack) {
    this.edge = edge;
    this.agent = agent;
    this.inner = inner;
    this.outer = outer;
    this.#stack = stack;
  }

  /** Starts a client for `lab/NAME`, mapped to this target; answers where it listens. */
  async client(name: string, target: string): Promise<{ host: string; port: number }> {
    await this.edge.ok("map", "add", `lab/${name}`, "lab", target);
    const file = join(this.edge.data, `visitor-${name}`);
    await writeFile(file, await this.edge.ok("token", "visitor", "--endpoint", `lab/${name}`), { mode: 0o600 });
    const words = ["connect", `lab/${name}`, "--token-file", file, "--edge", this.outer.url, "--log", "json"];
    const client = this.#stack.use(run(SYSTEM_NODE, [SALLYPORT, ...words]));
    return listeningAt(client, `lab/${name}`);
  }

  /** `kill -9` of workerd; resolves when the launcher has another one, which answers. */
  async killEdge(): Promise<void> {
    const before = this.edge.workerd;
    process.kill(before, "SIGKILL");
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, 200));
      if ([before, undefined].includes(this.#workerd())) continue;
      const answer = await fetch(`${this.edge.url}/.sallyport/healthz`).catch(() => undefined);
      if (answer?.ok === true) return;
    }
  }

  /** Undefined while the launcher is writing it down. */
  #workerd(): number | undefined {
    try {
      return this.edge.workerd;
    } catch {
      return undefined;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

export async function rig(): Promise<Rig> {
  await using stack = new AsyncDisposableStack();
  const edge = stack.use(await testEdge({ tcp: "8080" }));
  const inner = stack.use(await link(edge.url));
  const outer = stack.use(await link(edge.url));
  await edge.ok("site", "add", "lab");
  const file = join(edge.data, "token");
  await writeFile(file, await edge.ok("token", "agent", "lab", "--local", ...ANYWHERE), { mode: 0o600 });
  const agent = stack.use(run(SYSTEM_NODE, [AGENT, "--token-file", file, "--edge", inner.url, "--log", "json"]));
  await agent.until(/"msg":"ready"/);
  const owned = stack.move();
  return new Rig(edge, agent, inner, outer, owned);
}
