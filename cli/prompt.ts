import { createInterface } from "node:readline";
import { Writable } from "node:stream";

/** Asks for a line and does not show what is typed. Returns "" when there is no terminal. */
export async function askHidden(question: string): Promise<string> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return "";
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  // Puts the terminal into raw mode before the question is shown, so that a quick answer is not echoed either.
  const lines = createInterface({ input: process.stdin, output: nowhere, terminal: true });
  process.stderr.write(question);
  try {
    return await new Promise<string>((resolve) => {
      lines.question("", resolve);
      lines.once("SIGINT", () => resolve(""));
      lines.once("close", () => resolve(""));
    });
  } finally {
    lines.close();
    process.stderr.write("\n");
  }
}

/** Asks for a line; an empty line means `otherwise`. Returns "" when there is no terminal. */
export async function ask(question: string, otherwise = ""): Promise<string> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return "";
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await new Promise<string>((resolve) => {
      lines.question(question, (answer) => resolve(answer.trim() || otherwise));
      lines.once("SIGINT", () => resolve(""));
    });
  } finally {
    lines.close();
  }
}
