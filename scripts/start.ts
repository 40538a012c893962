/**
 * `npm start`: the whole of Sallyport on this machine. Builds it, starts a self-hosted edge, an agent and, without
 * `--map`, three small private servers; maps public ports to them; ends everything with Ctrl-C.
 */
import { mkdirSync } from "node:fs";
import { join, relative } from "node:path";
import { build } from "./build.ts";
import { Edge } from "./start/edge.ts";
import { guide } from "./start/guide.ts";
import { type Options, parseOptions, USAGE } from "./start/options.ts";
import { takePorts } from "./start/ports.ts";
import { Program } from "./start/program.ts";
import { AGENT, SALLYPORT } from "./tool.ts";

const programs: Program[] = [];
let isEnding = false;

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => void end(0));

try {
  const options = parseOptions(process.argv.slice(2));
  if (options === undefined) console.log(USAGE);
  else await start(options);
} catch (error) {
  // After Ctrl-C, what was under way fails.
  if (!isEnding) {
    console.error(`\n${error instanceof Error ? error.message : String(error)}\n`);
    await end(1);
  }
}

async function start(options: Options): Promise<void> {
  mkdirSync(options.data, { recursive: true, mode: 0o700 });
  await takePorts(options);
  console.log("Building …");
  await build(() => undefined);

  console.log("Starting the edge …");
  const edge = new Edge(options.data);
  const ports = options.pairs.map((pair) => pair.port).join(",");
  const where = ["--data", edge.folder, "--listen", options.listen, "--bind", options.bind, "--tcp", ports];
  const serve = await launch("edge", [SALLYPORT, "serve", ...where], options, edge.env);
  await edge.login(`http://${options.listen}`);
  await edge.addSite();
  await edge.map(options.pairs);

  console.log("Starting the agent …");
  const token = await edge.agentToken(options.pairs);
  const agent = await launch("agent", [AGENT, "--token-file", token], options, edge.env);

  const config = relative(process.cwd(), edge.env.SALLYPORT_CONFIG_DIR ?? "");
  const command = `SALLYPORT_CONFIG_DIR=${config} node ${relative(process.cwd(), SALLYPORT)}`;
  console.log(
    guide(
      options,
      command,
      relative(process.cwd(), join(edge.folder, "admin-secret")),
      [serve, agent].map((program) => relative(process.cwd(), program.logFile)),
    ),
  );
}

/** Starts a program and waits until it is ready. From then on, everything ends when it does. */
async function launch(
  name: string,
  args: readonly string[],
  options: Options,
  env: NodeJS.ProcessEnv,
): Promise<Program> {
  const program = new Program(name, [...args, "--log", "json"], join(options.data, `${name}.log`), env);
  programs.push(program);
  await program.ready();
  void program.ended.then(async (why) => {
    if (isEnding) return;
    console.error(`\nThe ${name} ${why}; its log is ${program.logFile}. Stopping everything.`);
    await end(1);
  });
  return program;
}

async function end(code: number): Promise<void> {
  if (isEnding) return;
  isEnding = true;
  await Promise.all(programs.map((program) => program.stop()));
  process.exit(code);
}
