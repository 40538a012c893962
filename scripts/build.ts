/**
 * `npm run build`: each program as one file, with no dependencies to install.
 *
 *   edge/worker.ts → dist/worker.js     the Worker, one ES module, with the dashboard (scripts/dashboard.ts) in it
 *   agent/main.ts  → dist/agent.js      runs on Node 20
 *   cli/main.ts    → dist/sallyport.js  runs on Node 20, carries dist/worker.js as text
 */
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { build as bundle, type BuildOptions, type Metafile, type Plugin } from "esbuild";
import { buildDashboard, dashboardPlugin } from "./dashboard.ts";
import packageJson from "../package.json" with { type: "json" };
import { notices } from "./licences.ts";
import { prologue } from "./prologue.ts";
import { npmLock } from "./npm-lock.ts";
import { ROOT } from "./tool.ts";

const WORKER = "dist/worker.js";

const COMMON = {
  absWorkingDir: ROOT,
  bundle: true,
  format: "esm",
  charset: "utf8",
  logLevel: "warning",
  write: false,
} as const satisfies BuildOptions;

/** As wrangler resolves packages for Workers. */
const FOR_WORKERD: BuildOptions = {
  ...COMMON,
  platform: "neutral",
  target: "es2024",
  conditions: ["workerd", "worker", "browser"],
  mainFields: ["browser", "module", "main"],
  external: ["cloudflare:*"],
};

/**
 * Minified, because the agent goes to small boxes over slow lines. Names are not kept: esbuild does it by a call for each closure
 * when it is made, a seventh of an agent's time for a connection, and a kilobyte for as long as it lasts.
 */
const FOR_NODE: BuildOptions = {
  ...COMMON,
  format: "cjs",
  platform: "node",
  target: "node20",
  minify: true,
  // Node prints the line that an error came from.
  lineLimit: 200,
  // Native helpers of ws, which works without them.
  external: ["bufferutil", "utf-8-validate"],
  banner: { js: prologue(packageJson.engines.node) },
  define: { "import.meta.url": "bundleUrl" },
};

/** `import source from "worker:source"` is the text of the built Worker. */
const workerSource: Plugin = {
  name: "worker-source",
  setup(bundler) {
    bundler.onResolve({ filter: /^worker:source$/ }, () => ({ path: "worker:source", namespace: "worker-source" }));
    bundler.onLoad({ filter: /.*/, namespace: "worker-source" }, () => ({
      contents: readFileSync(join(ROOT, WORKER), "utf8"),
      loader: "text",
    }));
  },
};

/**
 * Builds all three and tells `report` the size of each.
 * Throws when a source is missing or does not compile; esbuild has then printed why.
 */
export async function build(report: (line: string) => void): Promise<void> {
  const bundles: Metafile[] = [];
  const program = async (...words: Parameters<typeof bundled>): Promise<string> => {
    const { metafile, line } = await bundled(...words);
    bundles.push(metafile);
    return line;
  };
  const { files, metafile } = await buildDashboard();
  bundles.push(metafile);
  const size = files.reduce((sum, { body }) => sum + Buffer.byteLength(body, "base64"), 0);
  report(`${"dashboard".padEnd(18)} ${"".padStart(8)}  ${(size / 1024).toFixed(0)} KiB gzipped`);
  report(await program("edge/worker.ts", WORKER, { ...FOR_WORKERD, plugins: [dashboardPlugin(files)] }));
  report(await program("agent/main.ts", "dist/agent.js", FOR_NODE));
  report(await program("cli/main.ts", "dist/sallyport.js", { ...FOR_NODE, plugins: [workerSource, npmLock] }));
  replace(join(ROOT, "dist/THIRD-PARTY.txt"), Buffer.from(notices(bundles)), 0o644);
}

async function bundled(
  entry: string,
  output: string,
  options: BuildOptions,
): Promise<{ metafile: Metafile; line: string }> {
  if (!existsSync(join(ROOT, entry))) throw new Error(`build: ${entry} does not exist, so ${output} can't be made`);
  const { outputFiles = [], metafile } = await bundle({
    ...options,
    metafile: true,
    entryPoints: [entry],
    outfile: output,
  });
  const contents = outputFiles[0]?.contents;
  if (contents === undefined) throw new Error(`build: esbuild made nothing of ${entry}`);
  replace(join(ROOT, output), contents, 0o755);
  const kib = (bytes: number): string => `${(bytes / 1024).toFixed(0)} KiB`;
  const line = `${output.padEnd(18)} ${kib(contents.length).padStart(8)}, ${kib(gzipSync(contents).length)} gzipped`;
  return { metafile, line };
}

/** In one step, because a test or a program may be starting from the old file right now. */
function replace(file: string, contents: Uint8Array, mode: number): void {
  mkdirSync(dirname(file), { recursive: true });
  const fresh = `${file}.${process.pid}`;
  writeFileSync(fresh, contents);
  chmodSync(fresh, mode);
  renameSync(fresh, file);
}

if (import.meta.main) {
  try {
    await build(console.log);
  } catch (error) {
    // esbuild has printed its own errors with their places.
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
