import { copyFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { loopback } from "../../test/support/net.ts";
import { execute, run } from "../../test/support/run.ts";
import { tempDir } from "../../test/support/temp-dir.ts";
import { ROOT, SYSTEM_NODE } from "../../scripts/tool.ts";
import { build } from "esbuild";
import { hostPort, type Adapter } from "../harness/peer.ts";

const COMPATIBILITY = `compatibilityDate = "2026-10-20", compatibilityFlags = ["no_web_socket_compression"]`;

/** What is left of us when all that makes a tunnel safe is taken away: the platform's own cost, which ours can't be below. */
export const floor: Adapter = {
  name: "floor",
  kind: "baseline",
  version: async () => {
    const { stdout } = await execute(workerd(), ["--version"]);
    return /[\d-]+$/.exec(stdout.trim())?.[0] ?? "unknown";
  },
  serve: async (targets, stack) => {
    const host = loopback();
    const folder = stack.use(await tempDir());
    const at = Object.fromEntries(Object.keys(targets).map((name, index) => [name, `${host}:${8000 + index}`]));
    await copyFile(join(ROOT, "bench/load/floor-worker.js"), join(folder.path, "worker.js"));
    const config = join(folder.path, "floor.capnp");
    await writeFile(config, configOf(`${host}:8787`, Object.values(at)));
    const edge = stack.use(run(workerd(), ["serve", config, "--control-fd=1"]));
    await edge.until(new RegExp(`"listen".*\\b8787\\b`));
    const program = join(folder.path, "agent.mjs");
    // As the agent is built, and on the Node it runs on.
    await build({
      entryPoints: [join(ROOT, "bench/load/floor-agent.ts")],
      outfile: program,
      bundle: true,
      platform: "node",
      format: "esm",
      target: "node20",
      external: ["bufferutil", "utf-8-validate"],
      banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
      logLevel: "warning",
    });
    const words = Object.entries(targets).map(([name, target]) => `${hostPort(at[name] ?? "").port}=${target}`);
    const agent = stack.use(run(SYSTEM_NODE, [program, `ws://${host}:8787`, ...words]));
    await agent.until(/ready/);
    return { at, processes: { workerd: edge.pid, agent: agent.pid } };
  },
};

function configOf(http: string, ports: readonly string[]): string {
  const sockets = ports.map((address) => `(address = "${address}", service = "edge", tcp = ())`);
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "edge", worker = .edge)],
  sockets = [(name = "http", address = "${http}", service = "edge", http = ()), ${sockets.join(", ")}],
);
const edge :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "worker.js")], ${COMPATIBILITY},
  durableObjectNamespaces = [(className = "Hub", uniqueKey = "hub")], durableObjectStorage = (inMemory = void),
  bindings = [(name = "HUB", durableObjectNamespace = "Hub")],
);
`;
}

function workerd(): string {
  return createRequire(import.meta.url).resolve("workerd/bin/workerd");
}
