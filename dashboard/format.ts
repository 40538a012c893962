// Numbers and times for display, in the browser's language and time zone.

const UNITS = ["B", "kB", "MB", "GB", "TB"] as const;

/** Formats bytes in decimal units: `1.2 MB`. */
export function bytes(amount: number): string {
  let value = amount;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 99.5 ? 0 : value >= 9.95 ? 1 : 2;
  return `${value.toLocaleString(undefined, { maximumFractionDigits: digits })} ${UNITS[unit] ?? ""}`;
}

/** Formats bytes per second as bits per second: `8.4 Mbit/s`. */
export function rate(bytesPerSecond: number): string {
  return `${bytes(bytesPerSecond * 8).replace(/B$/, "bit")}/s`;
}

const STEPS: readonly [name: "second" | "minute" | "hour" | "day", ms: number][] = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
  ["second", 1000],
];

/** Formats a duration in its largest unit, rounded down: `3 h`, `2 days`. */
export function span(ms: number): string {
  const [unit, size] = STEPS.find(([, each]) => ms >= each) ?? (["second", 1000] as const);
  const value = Math.floor(ms / size);
  return new Intl.NumberFormat(undefined, { style: "unit", unit, unitDisplay: "short" }).format(Math.max(0, value));
}

/** Formats a time relative to `now`: `5 minutes ago`, `in 2 days`. */
export function relative(at: number, now: number): string {
  const distance = at - now;
  if (Math.abs(distance) < 5000) return "now";
  const [unit, size] = STEPS.find(([, each]) => Math.abs(distance) >= each) ?? (["second", 1000] as const);
  return new Intl.RelativeTimeFormat(undefined, { numeric: "auto" }).format(Math.trunc(distance / size), unit);
}

/** Formats a time with its date. */
export function moment(time: number | string): string {
  return new Date(time).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

/** Formats a time with seconds, and with its date unless that is today. */
export function clock(time: number | string, now: number): string {
  const at = new Date(time);
  const isToday = at.toDateString() === new Date(now).toDateString();
  return isToday
    ? at.toLocaleTimeString(undefined, { timeStyle: "medium" })
    : at.toLocaleString(undefined, { dateStyle: "short", timeStyle: "medium" });
}

/** Formats a number with its noun: `1 stream`, `2 streams`. */
export function count(number: number, noun: string, plural = `${noun}s`): string {
  return `${number.toLocaleString()} ${number === 1 ? noun : plural}`;
}
