/** Child processes of tests: the whole group ends with the scope, and a failure shows what was printed. */
import { spawn, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";

export interface RunOptions {
  readonly cwd?: string;
  /** Added to our own environment; undefined takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Written to its standard input, which is then closed. */
  readonly input?: string | Uint8Array;
  /** A file that its standard output goes to, instead of to us. */
  readonly stdout?: number;
  /** Its standard input stays open for `type`. */
  readonly interactive?: boolean;
}

export interface Ended {
  /** null when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** From leaving the scope to SIGKILL for those who did not heed SIGTERM. */
const GRACE_MS = 5_000;

/** A started process, leader of its own group. */
export class Run implements AsyncDisposable {
  stdout = "";
  stderr = "";
  /** Fulfilled when it has ended and its output is complete. */
  readonly ended: Promise<Ended>;
  readonly #name: string;
  readonly #child: ChildProcessByStdio<Writable, Readable | null, Readable>;
  readonly #exited: Promise<unknown>;
  #changed = Promise.withResolvers<void>();
  #over = false;

  constructor(command: string, args: readonly string[], options: RunOptions) {
    this.#name = [command, ...args].join(" ");
    this.#child = spawn(command, args, {
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      env: { ...process.env, ...options.env },
      detached: true,
      stdio: ["pipe", options.stdout ?? "pipe", "pipe"],
    }) as ChildProcessByStdio<Writable, Readable | null, Readable>;
    // It may end without having read its input.
    this.#child.stdin.on("error", () => undefined);
    if (options.interactive !== true) this.#child.stdin.end(options.input);
    this.#child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.stdout += text;
      this.#change();
    });
    this.#child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
      this.#change();
    });
    this.#exited = once(this.#child, "exit");
    this.ended = this.#end();
    // Those who await them see a failure to start; nobody has to.
    this.#exited.catch(() => undefined);
    this.ended.catch(() => undefined);
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error(`${this.#name} did not start`);
    return this.#child.pid;
  }

  /** Waits until what it printed, to standard output or as errors, matches. Throws when it ends before that. */
  async until(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.stdout) ?? pattern.exec(this.stderr);
      if (match !== null) return match;
      if (this.#over) {
        const printed = `--- stdout\n${this.stdout}\n--- stderr\n${this.stderr}`;
        throw new Error(`${this.#name} ended without printing ${String(pattern)}\n${printed}`);
      }
      await this.#changed.promise;
    }
  }

  /** Writes to its standard input; only when it was started `interactive`. */
  type(text: string): void {
    this.#child.stdin.write(text);
  }

  /** Signals the whole group. Nothing happens when that is gone. */
  kill(signal: NodeJS.Signals): void {
    if (this.#child.pid === undefined) return;
    try {
      process.kill(-this.#child.pid, signal);
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill("SIGTERM");
    const impatience = setTimeout(() => this.kill("SIGKILL"), GRACE_MS);
    await this.#exited.catch(() => undefined);
    clearTimeout(impatience);
    // The leader is gone; others of its group may be deaf to SIGTERM.
    this.kill("SIGKILL");
    started.delete(this);
  }

  async #end(): Promise<Ended> {
    try {
      const [code, signal] = (await once(this.#child, "close")) as [number | null, NodeJS.Signals | null];
      return { code, signal, stdout: this.stdout, stderr: this.stderr };
    } finally {
      this.#over = true;
      this.#change();
    }
  }

  #change(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

/** Groups of their own outlive us when nobody ends them. */
const started = new Set<Run>();
process.once("exit", () => {
  for (const child of started) child.kill("SIGKILL");
});

/** Those that have been started and not been ended by their scope. */
export function running(): readonly Run[] {
  return [...started];
}

/** Starts a process that lives as long as the scope: `await using nginx = run("nginx", […])`. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Run {
  const child = new Run(command, args, options);
  started.add(child);
  return child;
}

/** Runs a command to its end. It may fail: see `code`. */
export async function execute(command: string, args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  await using child = run(command, args, options);
  return await child.ended;
}
