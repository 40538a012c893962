import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../../scripts/tool.ts";

/** A fenced block of a document. */
export interface Fence {
  /** `docs/operations.md` */
  readonly file: string;
  /** `docs/operations.md:12` */
  readonly where: string;
  readonly language: string;
  readonly text: string;
  /** Why no test runs it, from ```` ```sh no-run: REASON ````; undefined: one does. */
  readonly noRun: string | undefined;
}

/** All fenced blocks of the README and of what users are given to read. */
export function fences(): Fence[] {
  const files = ["README.md", ...globSync("docs/{*.md,recipes/*.md}", { cwd: ROOT })];
  return files.flatMap((file) => {
    const text = readFileSync(join(ROOT, file), "utf8");
    return [...text.matchAll(/^```(\w*)(?: no-run: ([^\n]+))?\n(.*?)^```$/gms)].map((match) => ({
      file,
      where: `${file}:${text.slice(0, match.index).split("\n").length}`,
      language: match[1] ?? "",
      text: match[3] ?? "",
      noRun: match[2],
    }));
  });
}

/** The words of each command in a piece of shell: quotes undone; comments, redirections and `sudo` left out. */
export function commands(text: string): string[][] {
  const found: string[][] = [];
  let words: string[] = [];
  const tokens = text
    .replaceAll("\\\n", " ")
    .matchAll(/#[^\n]*|\n|&&|\|\||[|;]|[<>]+\s*\S+|(?:"(?:[^"\\]|\\.)*"|'[^']*'|\$\([^)]*\)|[^\s"'|;&<>#])+/g);
  for (const [token] of tokens) {
    if (token.startsWith("#")) continue;
    if (/^(?:\n|&&|\|\||[|;])$/.test(token)) {
      if (words.length > 0) found.push(words);
      words = [];
    } else if (!/^[<>]/.test(token) && !(words.length === 0 && token === "sudo")) {
      words.push(
        token.replace(
          /"((?:[^"\\]|\\.)*)"|'([^']*)'/g,
          (_whole, double: string | undefined, single: string | undefined) => double ?? single ?? "",
        ),
      );
    }
    for (const [, inner = ""] of token.matchAll(/\$\(([^)]*)\)/g)) found.push(...commands(inner));
  }
  if (words.length > 0) found.push(words);
  return found;
}
