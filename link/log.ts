import { Bucket } from "../shared/bucket.ts";

/** Lines of one message that are written at once, and a second after that: strangers make events, and a log has a disk. */
const ALIKE_BURST = 1_000;
const ALIKE_PER_SECOND = 20;
/** Kinds of messages that are counted apart; in what is left a stranger's own words may stand, and all of it is one kind. */
const MAX_KINDS = 100;

export type Level = "error" | "warn" | "info" | "debug";
export const LEVELS: readonly Level[] = ["error", "warn", "info", "debug"];

export type Fields = Record<string, unknown>;
export type Log = (level: Level, message: string, fields?: Fields) => void;

export type LogOptions = { format: "pretty" | "json"; level: Level; write: (line: string) => void; now?: () => Date };

/**
 * A logger of one line per event: for people, or as JSON with `time`, `level`, `msg` and the fields. Most lines are left
 * out when one kind of message comes in a flood; the next that is written says how many (`leftOut`). At `debug` all are written.
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

/** A message without what tells one event from another: the id of a request, a size, an address. */
function kindOf(message: string): string {
  return message.slice(0, 100).replace(/[0-9a-f]*\d[0-9a-f]*/gi, "#");
}

function pretty(message: string, fields: Fields): string {
  const words = Object.entries(fields).map(
    ([name, value]) => `${name}=${typeof value === "string" && /^\S+$/.test(value) ? value : JSON.stringify(value)}`,
  );
  return oneLine([message, ...words].join(" "));
}

/** Text that came from elsewhere may neither start a new log line nor speak to the terminal. */
function oneLine(text: string): string {
  return text.replace(
    // oxlint-disable-next-line no-control-regex -- control characters are what is escaped
    /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
