import { randomBytes } from "node:crypto";
import type { TestContext } from "vitest";
import { execute } from "./run.ts";

/** A network of two machines, `a` and `b`, of their own: what is sent to everybody there reaches nobody else. */
export interface Cable extends AsyncDisposable {
  readonly a: Machine;
  readonly b: Machine;
}

export interface Machine {
  readonly address: string;
  /** Words before a command that make it run there; what it mounts is its own, too. */
  readonly enter: readonly string[];
}

/** Two network namespaces and a cable between them. Needs root and the package iproute2; skips, saying so, where there is no right to it. */
export async function cable(context: TestContext): Promise<Cable> {
  const id = randomBytes(4).toString("hex");
  const names = { a: `sp-${id}-a`, b: `sp-${id}-b` };
  const ip = async (...words: string[]): Promise<void> => {
    const { code, stderr } = await execute("ip", words);
    if (code !== 0) throw new Error(`ip ${words.join(" ")}: ${stderr}`);
  };
  await using stack = new AsyncDisposableStack();
  for (const name of Object.values(names)) {
    try {
      await ip("netns", "add", name);
    } catch (error) {
      if (process.env.CI !== undefined && process.getuid?.() === 0) throw error;
      console.warn(`SKIPPED: ${context.task.name}: no right to network namespaces: ${String(error)}`);
      context.skip("no right to network namespaces");
    }
    stack.defer(() => ip("netns", "delete", name));
  }
  await ip("link", "add", "cable", "netns", names.a, "type", "veth", "peer", "name", "cable", "netns", names.b);
  const machine = async (name: string, address: string): Promise<Machine> => {
    await ip("-n", name, "address", "add", `${address}/24`, "dev", "cable");
    await ip("-n", name, "link", "set", "lo", "up");
    await ip("-n", name, "link", "set", "cable", "up");
    await ip("-n", name, "route", "add", "default", "dev", "cable");
    return { address, enter: ["ip", "netns", "exec", name] };
  };
  const [a, b] = [await machine(names.a, "10.77.0.1"), await machine(names.b, "10.77.0.2")];
  const owned = stack.move();
  return { a, b, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
