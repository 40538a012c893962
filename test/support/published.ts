import { join } from "node:path";
import { ROOT } from "../../scripts/tool.ts";
import { loopback } from "./net.ts";
import { run } from "./run.ts";
import { tempDir } from "./temp-dir.ts";

export interface Published extends AsyncDisposable {
  /** The edge's public address, which no other test has. */
  readonly host: string;
  /** What `npm start` has printed so far. */
  readonly output: () => string;
}

/** All of Sallyport as `npm start` starts it, with these mappings: public port → `host:port`. */
export async function published(mappings: Readonly<Record<number, string>>): Promise<Published> {
  await using stack = new AsyncDisposableStack();
  const host = loopback();
  const data = stack.use(await tempDir());
  const maps = Object.entries(mappings).flatMap(([port, target]) => ["--map", `${port}=${target}`]);
  const where = ["--listen", `${host}:8787`, "--bind", host, "--data", data.path];
  const start = stack.use(run(process.execPath, [join(ROOT, "scripts/start.ts"), ...maps, ...where]));
  await start.until(/^Ready\./m);
  const owned = stack.move();
  return { host, output: () => start.stdout, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
