import { Bucket } from "../shared/bucket.ts";

/** Lines of one kind of message that are written in a burst, and in each second after it: visitors can cause log lines, and disks fill up. */
const ALIKE_BURST = 1_000;
const ALIKE_PER_SECOND = 20;
/** The most kinds of messages that are counted apart. All others count as one kind: messages may contain text from outside. */
const MAX_KINDS = 100;

export type Level = "error" | "warn" | "info" | "debug";
export const LEVELS: readonly Level[] = ["error", "warn", "info", "debug"];

export type Fields = Record<string, unknown>;
export type Log = (level: Level, message: string, fields?: Fields) => void;

export type LogOptions = { format: "pretty" | "json"; level: Level; write: (line: string) => void; now?: () => Date };

/**
 * Makes a log of one line per event: for people, or as JSON with `time`, `level`, `msg` and the fields. In a flood of one kind
 * of message, most lines are left out, and the next one written says how many (`leftOut`). At `debug` all are written.
 */
export function createLog({ format, level, write, now = () => new Date() }: LogOptions): Log {
  const shown = new Set(LEVELS.slice(0, LEVELS.indexOf(level) + 1));
  const floods = new Map<string, Flood>();
  return (at, message, given = {}) => {
    if (!shown.has(at)) return;
    const date = now();
    const flood = floodOf(floods, kindOf(message));
    if (level !== "debug" && !flood.bucket.take(date.getTime())) {
      flood.leftOut += 1;
      return;
    }
    const fields = flood.leftOut === 0 ? given : { ...given, leftOut: flood.leftOut };
    flood.leftOut = 0;
    const time = date.toISOString();
    write(
      format === "json"
        ? `${JSON.stringify({ time, level: at, msg: message, ...fields })}\n`
        : `${time.slice(11, 23)} ${at.toUpperCase().padEnd(5)} ${pretty(message, fields)}\n`,
    );
  };
}

type Flood = { readonly bucket: Bucket; leftOut: number };

function floodOf(floods: Map<string, Flood>, kind: string): Flood {
  const key = floods.has(kind) || floods.size < MAX_KINDS ? kind : "";
  const flood = floods.get(key) ?? { bucket: new Bucket(ALIKE_PER_SECOND, ALIKE_BURST), leftOut: 0 };
  floods.set(key, flood);
  return flood;
}

/** Returns a message without the numbers that differ between events: ids, sizes, addresses. */
function kindOf(message: string): string {
  return message.slice(0, 100).replace(/[0-9a-f]*\d[0-9a-f]*/gi, "#");
}

function pretty(message: string, fields: Fields): string {
  const words = Object.entries(fields).map(
    ([name, value]) => `${name}=${typeof value === "string" && /^\S+$/.test(value) ? value : JSON.stringify(value)}`,
  );
  return oneLine([message, ...words].join(" "));
}

/** Escapes control characters: text from elsewhere must neither start a new log line nor control the terminal. */
function oneLine(text: string): string {
  return text.replace(
    // oxlint-disable-next-line no-control-regex -- control characters are what is escaped
    /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
