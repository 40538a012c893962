import { randomBytes } from "node:crypto";
import { spawnSync } from "node:child_process";
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
  await using spaces = await namespaces(context, "a", "b");
  const { a, b } = spaces.names;
  await ip("link", "add", "cable", "netns", a, "type", "veth", "peer", "name", "cable", "netns", b);
  const machine = async (name: string, address: string): Promise<Machine> => {
    await ip("-n", name, "address", "add", `${address}/24`, "dev", "cable");
    await ip("-n", name, "link", "set", "cable", "up");
    await ip("-n", name, "route", "add", "default", "dev", "cable");
    return { address, enter: entering(name) };
  };
  const machines = { a: await machine(a, "10.77.0.1"), b: await machine(b, "10.77.0.2") };
  const owned = spaces.move();
  return { ...machines, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Network namespaces that live as long as the scope, by the names they were asked for. */
export interface Namespaces<Name extends string> extends AsyncDisposable {
  /** What `ip netns` calls them. */
  readonly names: Readonly<Record<Name, string>>;
  /** Takes them out of the scope. */
  readonly move: () => AsyncDisposableStack;
}

/** Makes network namespaces with loopback up. Skips the test, saying so, where there is no right to them; under CI root must have it. */
export async function namespaces<Name extends string>(
  context: TestContext,
  ...names: readonly Name[]
): Promise<Namespaces<Name>> {
  await sweep();
  const id = `sp-${process.pid}-${randomBytes(3).toString("hex")}`;
  await using stack = new AsyncDisposableStack();
  const made: Partial<Record<Name, string>> = {};
  for (const each of names) {
    const name = `${id}-${each}`;
    try {
      await ip("netns", "add", name);
    } catch (error) {
      if (process.env.CI !== undefined && process.getuid?.() === 0) throw error;
      console.warn(`SKIPPED: ${context.task.name}: no right to network namespaces: ${String(error)}`);
      context.skip("no right to network namespaces");
    }
    there.add(name);
    stack.defer(async () => {
      await ip("netns", "delete", name);
      there.delete(name);
    });
    await ip("-n", name, "link", "set", "lo", "up");
    made[each] = name;
  }
  const owned = stack.move();
  return {
    names: made as Record<Name, string>,
    move: () => owned.move(),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Runs `ip` with these words. Throws what it says when it fails. */
export async function ip(...words: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await execute("ip", words);
  if (code !== 0) throw new Error(`ip ${words.join(" ")}: ${stderr}`);
  return stdout;
}

/** Words before a command that make it run in a namespace. */
export function entering(name: string): readonly string[] {
  return ["ip", "netns", "exec", name];
}

/** Namespaces outlive us when a process ends within their scope. */
const there = new Set<string>();
process.once("exit", () => {
  for (const name of there) spawnSync("ip", ["netns", "delete", name]);
});

/** Deletes the namespaces of test processes that were killed. */
async function sweep(): Promise<void> {
  const { stdout } = await execute("ip", ["netns", "list"]);
  for (const [name, pid] of stdout.matchAll(/^sp-(\d+)-\S+/gm))
    if (!isRunning(Number(pid))) await execute("ip", ["netns", "delete", name]);
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
