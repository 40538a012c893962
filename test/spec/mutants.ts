import { readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { build } from "esbuild";
import { ROOT, toolFile } from "../../scripts/tool.ts";
import { execute } from "../support/run.ts";
import { tempDir } from "../support/temp-dir.ts";

/** A fault to plant: in this file of shared/, this text becomes that one. */
export type Mutant = { name: string; file: string; find: string; put: string };

/** Names of the tests that failed, by mutant. */
export type Killers = ReadonlyMap<string, readonly string[]>;

/** The list that must notice every fault of the core. Properties are left out: what only luck finds is not covered. */
export const CONFORMANCE = ["conformance-states", "conformance-frames", "conformance-credit"];
/** The same for resuming: its tests, and the first histories of the simulation, which are the same each time. */
export const RESUMING = ["resume", "simulation"];
/** The same for noticing that a path is lost. */
export const OUTAGES = ["outages", "agent-sessions", "paths"];
/** The same for windows and what they ask of a budget, over a long line. */
export const DISTANCE = ["window"];
const HISTORIES = 150;

/** One test is enough to notice a fault: those after it need not run. */
const SETUP = `
import { beforeEach } from "vitest";
let noticed = false;
beforeEach((context) => {
  if (noticed) context.skip();
  context.onTestFailed(() => (noticed = true));
});`;

/**
 * Plants each fault in a copy of shared/, and runs the judges against all copies in one vitest.
 * Throws when a fault can't be planted: its text must be in the file exactly once.
 */
export async function judge(mutants: readonly Mutant[], judges: readonly string[]): Promise<Killers> {
  await using folder = await tempDir();
  await symlink(join(ROOT, "node_modules"), join(folder.path, "node_modules"));
  for (const [index, mutant] of mutants.entries()) await plant(mutant, judges, join(folder.path, `${index}.test.mjs`));
  const report = join(folder.path, "report.json");
  await writeFile(join(folder.path, "setup.mjs"), SETUP);
  const config = {
    test: {
      include: ["*.test.mjs"],
      setupFiles: ["setup.mjs"],
      isolate: false,
      // Five seconds are not many on a crowded machine, and nobody would know the difference.
      testTimeout: 120_000,
      reporters: ["json"],
      outputFile: report,
    },
  };
  await writeFile(join(folder.path, "vitest.config.mjs"), `export default ${JSON.stringify(config)};`);
  const { stderr } = await execute(process.execPath, [toolFile("vitest", "vitest"), "run", "--root", folder.path], {
    cwd: folder.path,
    env: { ...withoutVitest(), SALLYPORT_SEED: undefined, SALLYPORT_SEEDS: String(HISTORIES) },
  });
  const told = await readFile(report, "utf8").catch(() => {
    throw new Error(`vitest made no report:\n${stderr}`);
  });
  return killers(mutants, JSON.parse(told) as Report);
}

/** The text however the formatter breaks its lines. */
function anySpacing(text: string): RegExp {
  const tokens = text.match(/\w+|[^\w\s]/g) ?? [];
  return new RegExp(tokens.map((token) => token.replace(/[^\w\s]/, "\\$&")).join("\\s*"), "s");
}

/** Bundles all judges with the faulty copy. */
async function plant({ name, file, find, put }: Mutant, judges: readonly string[], outfile: string): Promise<void> {
  const path = join(ROOT, "shared", file);
  const source = await readFile(path, "utf8");
  const parts = source.split(anySpacing(find));
  const [before, after, ...more] = parts;
  if (before === undefined || after === undefined || more.length > 0) {
    throw new Error(`"${name}": the text to replace is ${parts.length - 1} times in shared/${file}: ${find}`);
  }
  await build({
    stdin: {
      contents: judges.map((each) => `import "./${each}.test.ts";`).join("\n"),
      resolveDir: join(ROOT, "test/spec"),
    },
    plugins: [
      {
        name: "plant",
        setup: (bundle) => {
          bundle.onLoad({ filter: /[\\/]shared[\\/][\w\\/-]+\.ts$/ }, ({ path: loaded }) =>
            loaded === path ? { contents: `${before}${put}${after}`, loader: "ts" } : undefined,
          );
        },
      },
    ],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    packages: "external",
    logLevel: "silent",
  });
}

type Report = {
  testResults: { name: string; message: string; assertionResults: { fullName: string; status: string }[] }[];
};

function killers(mutants: readonly Mutant[], report: Report): Killers {
  const failed = new Map<string, string[]>(mutants.map(({ name }) => [name, []]));
  for (const { name: file, message, assertionResults } of report.testResults) {
    const mutant = mutants[Number(/(\d+)\.test\.mjs$/.exec(file)?.[1])];
    const list = failed.get(mutant?.name ?? "");
    // A file that does not load has judged nothing.
    if (list === undefined || assertionResults.length === 0) throw new Error(`${file}: ${message}`);
    for (const { fullName, status } of assertionResults) if (status === "failed") list.push(fullName);
  }
  return failed;
}

/** The outer vitest says who its workers are by environment. */
function withoutVitest(): Record<string, undefined> {
  const names = Object.keys(process.env).filter((name) => /^(VITEST|TINYPOOL|NODE_ENV$|NODE_V8_COVERAGE$)/.test(name));
  return Object.fromEntries(names.map((name) => [name, undefined]));
}
