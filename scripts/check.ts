/** `npm run check`: format, lint, types, dead code. Runs every step, so that one run shows everything there is to mend. */
import { globSync } from "node:fs";
import { join } from "node:path";
import { ROOT, runTool } from "./tool.ts";

interface Step {
  readonly name: string;
  readonly run: () => boolean;
}

/** Each has its own world of types: shared/ none, edge/ the Workers', dashboard/ the browsers', tests the web's and Node's, the rest Node's. */
const TYPED_FOLDERS = ["shared", "edge", "dashboard", "test", "."];

/** What knip looks for in production code; the step before it checks the packages. */
const PRODUCTION_ISSUES = ["--include", "files,exports,types,nsExports,nsTypes,enumMembers,duplicates"];

const steps: readonly Step[] = [
  { name: "format (npm run format mends it)", run: () => runTool("oxfmt", "oxfmt", ["--check"]) },
  { name: "lint", run: () => runTool("oxlint", "oxlint", ["--type-aware", "--deny-warnings"]) },
  ...TYPED_FOLDERS.map((folder) => ({ name: `types of ${folder}`, run: () => checkTypes(folder) })),
  { name: "dead code", run: () => runTool("knip", "knip", ["--no-config-hints"]) },
  // What only its own tests use is dead, too.
  {
    name: "dead code without tests",
    run: () => runTool("knip", "knip", ["--production", "--no-config-hints", ...PRODUCTION_ISSUES]),
  },
];

const failed = steps.filter(({ name, run }) => {
  console.log(`check: ${name}`);
  const started = performance.now();
  const passed = run();
  console.log(`check: ${passed ? "ok" : "FAILED"}, ${((performance.now() - started) / 1000).toFixed(1)} s\n`);
  return !passed;
});

if (failed.length > 0) {
  console.error(`check failed: ${failed.map((step) => step.name).join(", ")}`);
  process.exit(1);
}

function checkTypes(folder: string): boolean {
  const project = join(ROOT, folder);
  // The compiler takes a folder without sources for a mistake.
  if (globSync("**/*.{ts,tsx}", { cwd: project, exclude: ["node_modules"] }).length === 0) return true;
  return runTool("typescript", "tsc", ["--project", project]);
}
