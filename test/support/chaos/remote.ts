import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Machine } from "../namespaces.ts";
import type { Answer, Command, Heard, Place, Sight } from "./messages.ts";

const PROGRAM = fileURLToPath(new URL("program.ts", import.meta.url));

type Told = { number: number; answer?: Answer; error?: string };

/** A program of visitors or targets on a machine (program.ts). It ends with the scope, and with this process. */
export class Remote implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, PromiseWithResolvers<Answer>>();
  #number = 0;

  constructor({ enter: [command = "", ...words] }: Machine) {
    const stdio = ["ignore", "inherit", "inherit", "ipc"] as const;
    this.#child = spawn(command, [...words, process.execPath, PROGRAM], { stdio: [...stdio], env: environment() });
    this.#child.on("message", (told: Told) => {
      const waiting = this.#waiting.get(told.number);
      this.#waiting.delete(told.number);
      if (told.error === undefined) waiting?.resolve(told.answer ?? null);
      else waiting?.reject(new Error(told.error));
    });
    this.#child.on("exit", (code) => {
      for (const { reject } of this.#waiting.values())
        reject(new Error(`a program of the test ended with ${String(code)}`));
    });
  }

  async look(): Promise<Sight> {
    return (await this.tell({ do: "look" })) as Sight;
  }

  async heard(): Promise<readonly Heard[]> {
    return (await this.tell({ do: "heard" })) as readonly Heard[];
  }

  /** The text that a server answers with. */
  async fetch(url: string): Promise<string> {
    return (await this.tell({ do: "fetch", url })) as string;
  }

  serve(at: Place): Promise<Answer> {
    return this.tell({ do: "serve", at });
  }

  /** Resolves with its answer. Rejects with its error, and when it has ended. */
  tell(command: Command): Promise<Answer> {
    this.#number += 1;
    const waiting = Promise.withResolvers<Answer>();
    this.#waiting.set(this.#number, waiting);
    this.#child.send({ number: this.#number, command });
    return waiting.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await exited;
  }
}

/** Without what Vitest says to its own workers. */
function environment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("VITEST")));
}
