import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { noise } from "./bytes.ts";
import { run, type Run } from "./run.ts";
import type { Sshd } from "./sshd.ts";
import { tempDir } from "./temp-dir.ts";

const MIB = 2 ** 20;

/** An interactive session at a real OpenSSH server, which says what it computes. */
export class Shell implements AsyncDisposable {
  readonly #ssh: Run;
  #turn = 0;

  constructor(server: Sshd, host: string, port: number) {
    this.#ssh = run("ssh", ["-tt", ...server.client(host, port)], { interactive: true });
  }

  /** Has it compute something new; resolves when the answer is there. Throws when the session has ended. */
  async answers(): Promise<void> {
    this.#turn += 1;
    this.#ssh.type(`echo answer $((${this.#turn} * 1000003))\n`);
    await this.#ssh.until(new RegExp(`^answer ${this.#turn * 1_000_003}\\b`, "m"));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#ssh[Symbol.asyncDispose]();
  }
}

/** An scp of so many MiB to another file of this machine, at most so many MiB a second, so that what breaks falls into it. */
export async function scp(server: Sshd, host: string, port: number, mib: number, perSecond: number) {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempDir());
  const [from, to] = [join(folder.path, "from"), join(folder.path, "to")];
  await pipeline(noise(mib * MIB), createWriteStream(from));
  const copying = stack.use(run("scp", ["-l", String(perSecond * 8 * 1024), ...server.copy(host, port, from, to)]));
  const owned = stack.move();
  return {
    /** Resolves when so many MiB have arrived. */
    arrived: async (wanted: number): Promise<void> => {
      while ((await stat(to).catch(() => ({ size: 0 }))).size < wanted * MIB) {
        await Promise.race([new Promise((resolve) => setTimeout(resolve, 50)), copying.ended]);
      }
    },
    /** Its exit code, and whether the copy is the same. */
    result: async (): Promise<{ code: number | null; stderr: string; isSame: boolean }> => {
      const { code, stderr } = await copying.ended;
      return { code, stderr, isSame: (await hashOf(from)) === (await hashOf(to)) };
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function hashOf(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return hash.digest("hex");
}
