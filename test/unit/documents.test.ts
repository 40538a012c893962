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

/** Words for the agent where other systems start it by its file: in shell, a PowerShell action, a list of properties. */
function started(text: string): string[][] {
  const listed = [...text.matchAll(/<array>(.*?)<\/array>/gs)].map(([, array = ""]) =>
    [...array.matchAll(/<string>([^<]*)<\/string>/g)].map(([, word = ""]) => word),
  );
  const actions = [...text.matchAll(/-Execute (\S+) -Argument "([^"]*)"/g)].map(([, program = "", words = ""]) => [
    program,
    ...words.split(" "),
  ]);
  return [...commands(text), ...listed, ...actions].flatMap((words) => {
    const at = words.findIndex(
      (word, index) => /agent\.(?:js|exe)$/.test(word) && /(?:^|\/)(?:node|bun)$|^$/.test(words[index - 1] ?? ""),
    );
    return at < 0 ? [] : [words.slice(at + 1)];
  });
}

test.each(fences().filter(({ text }) => started(text).length > 0))(
  "the agent takes the words that $where starts it with",
  ({ text }) => {
    for (const words of started(text)) {
      expect(words.length).toBeGreaterThan(0);
      expect(() => parse(["agent", ...words]), words.join(" ")).not.toThrow();
    }
  },
);

test("NAS boxes, Windows and macOS are among them", () => {
  const places = fences().filter(({ text }) => started(text).length > 0);
  expect(new Set(places.map(({ language }) => language))).toEqual(new Set(["sh", "powershell", "xml"]));
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
