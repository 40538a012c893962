import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { createInterface } from "node:readline";
import { SYSTEM_NODE } from "../tool.ts";

/** Lines of a program's log that are shown when it fails; all of it is in its file. */
const LAST_LINES = 12;
/** From asking a program to end to ending it: Ctrl-C is over within two seconds. */
const STOP_MS = 1_500;

/** A built program that runs until it is stopped, on the Node that users have. */
export class Program {
  /** Fulfilled, with the reason, when it has ended by itself or been stopped. */
  readonly ended: Promise<string>;
  readonly name: string;
  readonly logFile: string;
  readonly #child: ChildProcess;
  readonly #ready = Promise.withResolvers<void>();
  readonly #last: string[] = [];

  /** `args` start with the program's file. It logs JSON lines, one of which says it is ready. */
  constructor(name: string, args: readonly string[], logFile: string, env: NodeJS.ProcessEnv) {
    this.name = name;
    this.logFile = logFile;
    // A group of its own: Ctrl-C in the terminal is for us, who end things in order.
    this.#child = spawn(SYSTEM_NODE, args, { env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
    const log = createWriteStream(logFile, { mode: 0o600 });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      if (stream === null) continue;
      stream.pipe(log, { end: false });
      createInterface({ input: stream }).on("line", (line) => this.#read(line));
    }
    this.ended = this.#end();
  }

  /** Fulfilled when it says so. Rejects with its last words when it ends instead. */
  async ready(): Promise<void> {
    const failure = this.ended.then((why) => {
      throw new Error(`${this.name} ${why}:\n${this.#last.map((line) => `  ${line}`).join("\n")}`);
    });
    await Promise.race([this.#ready.promise, failure]);
  }

  async stop(): Promise<void> {
    this.#signal("SIGTERM");
    const kill = setTimeout(() => this.#signal("SIGKILL"), STOP_MS);
    await this.ended;
    clearTimeout(kill);
    this.#signal("SIGKILL");
  }

  #read(line: string): void {
    this.#last.push(line);
    this.#last.splice(0, this.#last.length - LAST_LINES);
    if (line.includes('"msg":"ready"')) this.#ready.resolve();
  }

  async #end(): Promise<string> {
    try {
      const [code, signal] = (await once(this.#child, "exit")) as [number | null, string | null];
      return signal === null ? `ended with code ${code}` : `was ended by ${signal}`;
    } catch (error) {
      return `could not be started (${String(error)})`;
    }
  }

  /** To its whole group, which may be gone already. */
  #signal(signal: NodeJS.Signals): void {
    if (this.#child.pid === undefined) return;
    try {
      process.kill(-this.#child.pid, signal);
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
    }
  }
}
