import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { TestContext } from "vitest";
import type { StatusView } from "../../../shared/rule/api.ts";
import { AGENT, SALLYPORT, SYSTEM_NODE } from "../../../scripts/tool.ts";
import { needs } from "../debian.ts";
import type { Machine } from "../namespaces.ts";
import { run, type Run } from "../run.ts";
import { tempDir, type TempDir } from "../temp-dir.ts";
import type { Place } from "./messages.ts";
import { EDGE_PORT, network, type End, type Network } from "./network.ts";
import { Remote } from "./remote.ts";

/** The port of targets in the LAN, of both transports. */
const TARGET_PORT = 7000;
/** The port where each program answers Prometheus. */
const METRICS_PORT = 9464;
/** The port where webhooks are heard, on the visitors' machine. */
const HOOK_PORT = 9999;

/**
 * Ways in: a port of the edge's own, the gateway inside `serve`, `sallyport connect`, `sallyport gateway` on another machine.
 * UDP has all but the first.
 */
export const DOORS = ["edge", "ports", "client", "gateway"] as const;
export type Door = (typeof DOORS)[number];

/** Public port of each door's mapping. */
const PORTS = { edge: 8080, ports: 9000, client: 9200, gateway: 9100 } as const;

/** What starts a world: `grace` as `serve --grace` takes it; `holds`: doors whose ports the gateway inside `serve` owns. */
export type WorldOptions = { readonly grace?: string; readonly webhook?: boolean; readonly holds?: readonly Door[] };

/** Everything of one site in network namespaces of its own: edge, agent, client and gateway that are connected, targets and visitors. */
export class World implements AsyncDisposable {
  readonly network: Network;
  readonly visitors: Remote;
  readonly targets: Remote;
  readonly folder: string;
  readonly #stack: AsyncDisposableStack;
  readonly #runs = new Map<End | "serve", Run>();

  constructor(between: Network, folder: string, stack: AsyncDisposableStack) {
    this.network = between;
    this.folder = folder;
    this.#stack = stack;
    this.visitors = stack.use(new Remote(between.machine("visitor")));
    this.targets = stack.use(new Remote(between.machine("lan")));
  }

  /** A program of the site, with what it has logged. */
  run(which: End | "serve"): Run {
    const found = this.#runs.get(which);
    if (found === undefined) throw new Error(`${which} was not started`);
    return found;
  }

  /** Ends a program of the site, and waits until it has ended. */
  async end(which: End | "serve", signal: NodeJS.Signals): Promise<void> {
    this.run(which).kill(signal);
    await this.run(which).ended;
  }

  /** The machine of an end loses its power: no other machine is told. Fulfilled with what puts its cable in again. */
  async powerOff(end: End): Promise<() => Promise<void>> {
    const plug = await this.network.unplug(end);
    await this.end(end, "SIGKILL");
    return plug;
  }

  /** Signals an end, or workerd, which the launcher starts again when it is gone or does not answer. Fulfilled with what signals the same process once more. */
  async signal(which: End | "workerd", signal: NodeJS.Signals): Promise<(another: NodeJS.Signals) => void> {
    const again = which === "workerd" ? await this.#workerd() : (each: NodeJS.Signals) => this.run(which).kill(each);
    again(signal);
    return again;
  }

  /** Datagrams that the programs of the site have dropped, by their own count. */
  async droppedDatagrams(): Promise<number> {
    const urls = (["edge", "agent", "client", "gateway"] as const).map(
      (each) => `http://${this.#metricsOf(each)}/metrics`,
    );
    const pages = await Promise.all(urls.map((url) => this.visitors.fetch(url)));
    const counts = pages.flatMap((page) => [...page.matchAll(/_datagrams_dropped_total\{.*\} (\d+)/g)]);
    const { sites } = await this.json<StatusView>("status");
    const atRelay = sites[0]?.droppedDatagrams ?? 0;
    return counts.reduce((sum, [, count]) => sum + Number(count), atRelay);
  }

  /** Where visitors come in by a door. */
  at(door: Door): Place {
    const place = door === "client" || door === "gateway" ? door : "edge";
    return { host: this.network.publicAddress(place), port: PORTS[door] };
  }

  /** What a command of its administrator prints: `site`, `map`, `token`, `status`, `log`. Rejects with what it fails with. */
  async ok(...words: readonly string[]): Promise<string> {
    const logins = join(this.folder, "config");
    return (await this.visitors.tell({ do: "perform", words, logins })) as string;
  }

  /** What such a command answers with `--json`. */
  async json<T>(...words: readonly string[]): Promise<T> {
    return JSON.parse(await this.ok(...words, "--json")) as T;
  }

  async serve({ grace, webhook = false, holds = ["ports"] }: WorldOptions = {}): Promise<void> {
    const { address } = this.network.machine("edge");
    const at = ["--listen", `${address}:${EDGE_PORT}`, "--public-url", `http://${address}:${EDGE_PORT}`];
    const held = holds.map((door) => PORTS[door]).join(",");
    const ports = [
      "--bind",
      this.at("edge").host,
      "--tcp",
      `${PORTS.edge}`,
      "--ports",
      held,
      "--udp",
      held,
      "--metrics",
      this.#metricsOf("edge"),
    ];
    const more = [
      ...(grace === undefined ? [] : ["--grace", grace]),
      ...(webhook ? ["--webhook", `http://${this.hook.host}:${this.hook.port}/`] : []),
    ];
    const words = [SALLYPORT, "serve", "--data", join(this.folder, "edge"), ...at, ...ports, ...more, "--log", "json"];
    await this.#start("serve", "edge", /"msg":"ready"/, words);
  }

  /** Where webhooks go. */
  get hook(): Place {
    return { host: this.network.machine("visitor").address, port: HOOK_PORT };
  }

  agent(): Promise<void> {
    return this.#start("agent", "agent", /"msg":"ready"/, [AGENT, ...this.#as("agent"), "--log-level", "debug"]);
  }

  /** Client and gateway, listening. */
  async callers(): Promise<void> {
    const { host, port } = this.at("client");
    const wanted = [`${port}/tcp`, `${port}/udp`].map((each) => `${each}=${host}:${port}`);
    const client = [SALLYPORT, "connect", ...wanted, ...this.#as("client"), "--log-level", "debug"];
    const own = [`${PORTS.gateway}/tcp`, `${PORTS.gateway}/udp`];
    const gateway = [
      SALLYPORT,
      "gateway",
      ...own,
      "--bind",
      this.at("gateway").host,
      ...this.#as("gateway"),
      "--log-level",
      "debug",
    ];
    await Promise.all([
      this.#start("client", "client", /"msg":"ready"/, client),
      this.#start("gateway", "gateway", new RegExp(`"msg":"listening","endpoint":"${PORTS.gateway}/udp"`), gateway),
    ]);
    await this.run("serve").until(new RegExp(`"msg":"gateway: listening","endpoint":"${PORTS.ports}/udp"`));
  }

  /** Begins visitors' and targets' programs. */
  async peers(): Promise<void> {
    await this.targets.serve({ host: this.network.machine("lan").address, port: TARGET_PORT });
    await this.visitors.tell({ do: "hook", at: this.hook });
  }

  /** Whether an end says that it has a lane. */
  isConnected(end: End): boolean {
    const said = [...this.run(end).stderr.matchAll(/"msg":"(connected|not connected)"/g)];
    return said.at(-1)?.[1] === "connected";
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }

  async #workerd(): Promise<(signal: NodeJS.Signals) => void> {
    const file = join(this.folder, "edge/run/workerd.pid");
    const { pid } = JSON.parse(await readFile(file, "utf8")) as { pid: number };
    return (signal) => {
      try {
        process.kill(pid, signal);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
      }
    };
  }

  #as(end: End): readonly string[] {
    const metrics = ["--metrics", this.#metricsOf(end)];
    return ["--token-file", join(this.folder, `${end}.token`), "--insecure", ...metrics, "--log", "json"];
  }

  #metricsOf(place: End | "edge"): string {
    return `${this.network.publicAddress(place)}:${METRICS_PORT}`;
  }

  async #start(name: End | "serve", place: End | "edge", ready: RegExp, words: readonly string[]): Promise<void> {
    const [command, args] = entered(this.network.machine(place), SYSTEM_NODE, ...words);
    const started = this.#stack.use(run(command, args, { env: { SALLYPORT_RUN_DIR: join(this.folder, "run") } }));
    this.#runs.set(name, started);
    await started.until(ready);
  }
}

/** A world that is up. Needs Linux, root and Debian's packages; skips the test, saying so, where it has not got them. */
export async function world(context: TestContext, options: WorldOptions = {}): Promise<World> {
  await needs(context, "iproute2", "nftables");
  const issued = await (prepared ??= prepare(context));
  return made(context, async (empty, folder) => {
    await cp(issued.path, folder, { recursive: true });
    await empty.serve(options);
    await empty.agent();
    await empty.callers();
    await empty.peers();
  });
}

/** The data of an edge whose site has an agent's, a client's and a gateway's token and a mapping for each door: made once, good in every world. */
let prepared: Promise<TempDir> | undefined;

async function prepare(context: TestContext): Promise<TempDir> {
  const kept = await tempDir();
  await using first = await made(context, async (empty, folder) => {
    // A mapping is refused while nothing holds its port: client and gateway come later.
    await empty.serve({ holds: ["ports", "client", "gateway"] });
    const { address } = empty.network.machine("edge");
    const secret = join(folder, "edge/admin-secret");
    await empty.ok("login", `http://${address}:${EDGE_PORT}`, "--insecure", "--secret-file", secret);
    await empty.ok("site", "add", "lab");
    const lan = empty.network.machine("lan").address;
    for (const door of DOORS) {
      await empty.ok("map", "add", `${PORTS[door]}/tcp`, "lab", `${lan}:${TARGET_PORT}`);
      if (door !== "edge") await empty.ok("map", "add", `${PORTS[door]}/udp`, "lab", `${lan}:${TARGET_PORT}`);
    }
    const client = ["--endpoint", `${PORTS.client}/tcp`, "--endpoint", `${PORTS.client}/udp`];
    const tokens = { agent: ["agent", "lab"], client: ["visitor", ...client], gateway: ["gateway"] };
    for (const [end, words] of Object.entries(tokens))
      await writeFile(join(folder, `${end}.token`), await empty.ok("token", ...words), { mode: 0o600 });
  });
  await first.end("serve", "SIGTERM");
  await cp(first.folder, kept.path, { recursive: true });
  return kept;
}

/** An empty world, once it is furnished; if that fails, nothing stays of it. */
async function made(context: TestContext, furnish: (empty: World, folder: string) => Promise<void>): Promise<World> {
  await using stack = new AsyncDisposableStack();
  const { path } = stack.use(await tempDir());
  const empty = new World(stack.use(await network(context)), path, stack.move());
  try {
    await furnish(empty, path);
    return empty;
  } catch (error) {
    await empty[Symbol.asyncDispose]();
    throw error;
  }
}

function entered({ enter: [command = "", ...words] }: Machine, ...more: readonly string[]): [string, string[]] {
  return [command, [...words, ...more]];
}
