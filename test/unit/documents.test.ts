import type { Command } from "commander";
import { expect, test } from "vitest";
import { program as agent } from "../../agent/program.ts";
import { program as sallyport } from "../../cli/program.ts";
import { commands, fences } from "../support/documents.ts";

const shells = fences().filter(({ language }) => language === "sh");

/** The command line without what it does: only whether it is one. */
function inert(command: Command): Command {
  command.action(() => undefined);
  command.exitOverride().configureOutput({ writeOut: () => undefined, writeErr: () => undefined });
  for (const child of command.commands) inert(child);
  return command;
}

function parse([name = "", ...words]: readonly string[]): void {
  const context = { env: {}, output: { out: () => undefined, err: () => undefined }, now: Date.now };
  const root = name === "agent" ? agent({}) : sallyport(context);
  if (name === "sallyport" && words[0] === "agent") return parse(words);
  inert(root).parse(words, { from: "user" });
}

test.each(shells)("every command of ours at $where is one that the programs take", ({ text }) => {
  for (const words of commands(text)) {
    if (!["agent", "sallyport"].includes(words[0] ?? "")) continue;
    // "sallyport" bare would be its help.
    expect(() => parse(words), words.join(" ")).not.toThrow();
  }
});

test("commands are found in shell as people write it", () => {
  const text = `sudo a "b c" 'd' > e && f --g \\\n  h | i # j\nk "$(l m)"`;
  expect(commands(text)).toEqual([["a", "b c", "d"], ["f", "--g", "h"], ["i"], ["l", "m"], ["k", "$(l m)"]]);
});

test("there are documents, with commands in them", () => {
  expect(shells.length).toBeGreaterThan(8);
  expect(shells.flatMap(({ text }) => commands(text)).filter(([name]) => name === "sallyport").length).toBeGreaterThan(
    10,
  );
});
