/**
 * Idle streams of a process of its own, for one process has not descriptors enough for all that are open at once.
 * Argument: HOST:PORT. Orders on standard input: `N open COUNT`, `N answer`. Prints `ready`, and `done N` or `failed N: TEXT` for each.
 */
import { createInterface } from "node:readline";
import { IdleStreams } from "./idle.ts";

const streams = new IdleStreams(process.argv[2] ?? "");
console.log("ready");
for await (const line of createInterface(process.stdin)) {
  const [number = "", order = "", count = ""] = line.split(" ");
  try {
    await (order === "open" ? streams.open(Number(count)) : streams.answer());
    console.log(`done ${number}`);
  } catch (error) {
    console.log(`failed ${number}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
