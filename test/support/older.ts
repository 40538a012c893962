/** Programs of an earlier commit, for what happens when versions meet. */
import { symlink } from "node:fs/promises";
import { join } from "node:path";
import type { TestContext } from "vitest";
import { ROOT } from "../../scripts/tool.ts";
import { TestEdge } from "./edge.ts";
import { loopback } from "./net.ts";
import { execute } from "./run.ts";
import { tempDir } from "./temp-dir.ts";

export interface Programs extends AsyncDisposable {
  readonly agent: string;
  readonly sallyport: string;
}

export interface OlderEdge extends AsyncDisposable {
  readonly older: Programs;
  readonly folder: string;
  readonly edge: TestEdge;
}

/**
 * Builds the programs of a commit beside ours. A clone without that history, or a folder without git, skips the test and says so.
 * `select` are words for `git log` that find the commit.
 */
export async function programsOf(context: TestContext, select: readonly string[]): Promise<Programs> {
  const found = await execute("git", ["-C", ROOT, "log", "-1", "--format=%H", ...select]);
  const commit = found.stdout.trim();
  if (found.code !== 0 || commit === "") {
    const reason = `needs the commit that \`git log ${select.join(" ")}\` finds: is this a shallow clone?`;
    console.warn(`SKIPPED: ${context.task.name}: ${reason}`);
    return context.skip(reason);
  }
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempDir());
  await checked("sh", ["-eu", "-c", `git -C "$1" archive "$2" | tar -x -C "$3"`, "sh", ROOT, commit, folder.path]);
  await symlink(join(ROOT, "node_modules"), join(folder.path, "node_modules"));
  await checked(process.execPath, [join(folder.path, "scripts/build.ts")]);
  const owned = stack.move();
  return {
    agent: join(folder.path, "dist/agent.js"),
    sallyport: join(folder.path, "dist/sallyport.js"),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/**
 * An edge of the programs of an earlier commit, started, logged in to, with a site `lab`; `edge.program` is what runs from the
 * next start on. `tcp` are its public ports.
 */
export async function olderEdge(context: TestContext, select: readonly string[], tcp: string): Promise<OlderEdge> {
  await using stack = new AsyncDisposableStack();
  const older = stack.use(await programsOf(context, select));
  const folder = stack.use(await tempDir());
  const edge = stack.use(new TestEdge(loopback(), folder.path, { tcp }, new AsyncDisposableStack()));
  edge.program = older.sallyport;
  await edge.start();
  await edge.login();
  await edge.ok("site", "add", "lab");
  const owned = stack.move();
  return { older, folder: folder.path, edge, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function checked(command: string, words: readonly string[]): Promise<void> {
  const { code, stdout, stderr } = await execute(command, words);
  if (code !== 0) throw new Error(`${command} ${words.join(" ")} failed:\n${stdout}${stderr}`);
}
