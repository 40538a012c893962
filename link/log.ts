export type Level = "error" | "warn" | "info" | "debug";
export const LEVELS: readonly Level[] = ["error", "warn", "info", "debug"];

export type Fields = Record<string, unknown>;
export type Log = (level: Level, message: string, fields?: Fields) => void;

export type LogOptions = { format: "pretty" | "json"; level: Level; write: (line: string) => void; now?: () => Date };

/** A logger of one line per event: for people, or as JSON with `time`, `level`, `msg` and the fields. */
export function createLog({ format, level, write, now = () => new Date() }: LogOptions): Log {
  const shown = new Set(LEVELS.slice(0, LEVELS.indexOf(level) + 1));
  return (at, message, fields = {}) => {
    if (!shown.has(at)) return;
    const time = now().toISOString();
    write(
      format === "json"
        ? `${JSON.stringify({ time, level: at, msg: message, ...fields })}\n`
        : `${time.slice(11, 23)} ${at.toUpperCase().padEnd(5)} ${pretty(message, fields)}\n`,
    );
  };
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
