import * as z from "zod";
import type { Level, Log } from "../../link/log.ts";

const entry = z.object({ level: z.string(), message: z.string() });

const LEVEL: Record<string, Level> = { error: "error", fatal: "error", warn: "warn", warning: "warn", debug: "debug" };

/** workerd logs an uncaught exception when a visitor violates the WebSocket protocol; this finds the close code and the reason. */
const BROKEN_WEBSOCKET =
  /^Uncaught exception: .*WebSocket protocol error; protocolError\.statusCode = (\d+); protocolError\.description = (.*)$/s;

/** Logs a line of workerd's output (JSON from its logger, plain text before that is up) and returns its message. */
export function forwardLine(line: string, log: Log): string {
  const { level, message } = parse(line);
  const [, code, why = ""] = BROKEN_WEBSOCKET.exec(message) ?? [];
  if (code === undefined) log(level, message, { from: "workerd" });
  else log("info", "a visitor's WebSocket broke the protocol", { code: Number(code), why: why.slice(0, 200) });
  return message;
}

function parse(line: string): { level: Level; message: string } {
  try {
    const { level, message } = entry.parse(JSON.parse(line));
    return { level: LEVEL[level] ?? "info", message };
  } catch {
    return { level: "warn", message: line };
  }
}
