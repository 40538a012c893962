/** The dashboard as a module of the Worker: `dashboard/` bundled, minified, gzipped, and named by what is in it. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build, type Metafile, type Plugin } from "esbuild";
import { ROOT } from "./tool.ts";

export interface DashboardFile {
  readonly name: string;
  readonly type: string;
  /** Gzipped, in base64. */
  readonly body: string;
}

const TYPES: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  svg: "image/svg+xml",
};

/** Bundles the dashboard. Throws when it does not compile; esbuild has then printed why. */
export async function buildDashboard(): Promise<{ files: DashboardFile[]; metafile: Metafile }> {
  const { outputFiles, metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: { app: "dashboard/main.tsx" },
    outdir: "assets",
    bundle: true,
    write: false,
    metafile: true,
    minify: true,
    format: "esm",
    target: ["es2023", "chrome123", "firefox121", "safari17.5"],
    charset: "utf8",
    jsx: "automatic",
    jsxImportSource: "preact",
    legalComments: "none",
    logLevel: "warning",
  });
  const icon = file("icon.svg", readFileSync(join(ROOT, "dashboard/icon.svg")));
  const assets = outputFiles.map(({ path, contents }) => file(path.replace(/^.*\//, ""), Buffer.from(contents)));
  const nameOf = (stem: string, end: string): string => {
    const found = [icon, ...assets].find(({ name }) => name.startsWith(stem) && name.endsWith(end));
    if (found === undefined) throw new Error(`dashboard/index.html names ${stem}.${end}, which is not built`);
    return found.name;
  };
  const page = readFileSync(join(ROOT, "dashboard/index.html"), "utf8").replace(
    /\{(\w+)\.(\w+)\}/g,
    (_, stem: string, end: string) => `/.sallyport/assets/${nameOf(stem, end)}`,
  );
  return { files: [packed("index.html", "html", Buffer.from(page)), icon, ...assets], metafile };
}

/** `import files from "dashboard:files"`, for esbuild. */
export function dashboardPlugin(files: readonly DashboardFile[]): Plugin {
  return {
    name: "dashboard",
    setup(bundler) {
      bundler.onResolve({ filter: /^dashboard:files$/ }, () => ({ path: "files", namespace: "dashboard" }));
      bundler.onLoad({ filter: /.*/, namespace: "dashboard" }, () => ({
        contents: JSON.stringify(files),
        loader: "json",
      }));
    },
  };
}

/** A file under a name that stands for what it holds. */
function file(name: string, contents: Buffer): DashboardFile {
  const dot = name.lastIndexOf(".");
  const hash = createHash("sha256").update(contents).digest("hex").slice(0, 12);
  return packed(`${name.slice(0, dot)}-${hash}${name.slice(dot)}`, name.slice(dot + 1), contents);
}

function packed(name: string, end: string, contents: Buffer): DashboardFile {
  return {
    name,
    type: TYPES[end] ?? "application/octet-stream",
    body: gzipSync(contents, { level: 9 }).toString("base64"),
  };
}
