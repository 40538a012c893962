import * as z from "zod";
import type { Level, Log } from "../../link/log.ts";

const entry = z.object({ level: z.string(), message: z.string() });

const LEVEL: Record<string, Level> = { error: "error", fatal: "error", warn: "warn", warning: "warn", debug: "debug" };

/** Turns a line of workerd (JSON from its logger, plain text from before that is up) into one of ours, and answers its message. */
export function relayLine(line: string, log: Log): string {
  const parsed = parse(line);
  log(parsed.level, parsed.message, { from: "workerd" });
  return parsed.message;
}

function parse(line: string): { level: Level; message: string } {
  try {
    const { level, message } = entry.parse(JSON.parse(line));
    return { level: LEVEL[level] ?? "info", message };
  } catch {
    return { level: "warn", message: line };
  }
}
