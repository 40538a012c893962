import { copyFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, join } from "node:path";
import { build } from "esbuild";
import { run, type Run } from "../../test/support/run.ts";
import { tempDir } from "../../test/support/temp-dir.ts";
import { ROOT, SYSTEM_NODE } from "../../scripts/tool.ts";

/** workerd itself, not the script that npm puts before it: its memory is measured. */
export const WORKERD = (createRequire(import.meta.url)("workerd") as { default: string }).default;

export interface FloorEdge {
  /** A module of bench/load with a Worker and an object of class `Hub`. */
  readonly module: string;
  /** Where it listens for HTTP, as `host:port`; and for bare connections. */
  readonly http: string;
  readonly ports?: readonly string[];
  /** What the module finds in its `env`. */
  readonly text?: Readonly<Record<string, string>>;
  /** Where its inspector listens, if it is to have one. */
  readonly inspector?: string;
}

/** Starts workerd with a Worker, its object, and nothing of ours. Answers the process. */
export async function floorEdge(edge: FloorEdge, stack: AsyncDisposableStack): Promise<Run> {
  const folder = stack.use(await tempDir());
  await copyFile(join(ROOT, "bench/load", edge.module), join(folder.path, edge.module));
  const config = join(folder.path, "floor.capnp");
  await writeFile(config, configOf(edge));
  const inspector = edge.inspector === undefined ? [] : [`--inspector-addr=${edge.inspector}`];
  const workerd = stack.use(run(WORKERD, ["serve", config, "--control-fd=1", ...inspector]));
  // It holds nothing that matters, and would wait for its connections for as long as it is let.
  stack.defer(() => workerd.kill("SIGKILL"));
  await workerd.until(/"listen".*"socket":"http"/);
  return workerd;
}

/** Starts a program of bench/load, bundled as the agent is and on the Node it runs on, and waits until it is ready. */
export async function floorProgram(
  module: string,
  words: readonly string[],
  stack: AsyncDisposableStack,
  node: readonly string[] = [],
): Promise<Run> {
  const folder = stack.use(await tempDir());
  const program = join(folder.path, `${basename(module, ".ts")}.mjs`);
  await build({
    entryPoints: [join(ROOT, "bench/load", module)],
    outfile: program,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    external: ["bufferutil", "utf-8-validate"],
    banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
    logLevel: "warning",
  });
  const started = stack.use(run(SYSTEM_NODE, [...node, program, ...words], { interactive: true }));
  await started.until(/ready/);
  return started;
}

function configOf({ module, http, ports = [], text = {} }: FloorEdge): string {
  const sockets = ports.map(
    (address, index) => `(name = "port${index}", address = "${address}", service = "edge", tcp = ())`,
  );
  const texts = Object.entries(text).map(([name, value]) => `(name = "${name}", text = "${value}")`);
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "edge", worker = .edge)],
  sockets = [${[...sockets, `(name = "http", address = "${http}", service = "edge", http = ())`].join(", ")}],
);
const edge :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "${module}")],
  compatibilityDate = "2026-10-20", compatibilityFlags = ["no_web_socket_compression"],
  durableObjectNamespaces = [(className = "Hub", uniqueKey = "hub")], durableObjectStorage = (inMemory = void),
  bindings = [${['(name = "HUB", durableObjectNamespace = "Hub")', ...texts].join(", ")}],
);
`;
}
