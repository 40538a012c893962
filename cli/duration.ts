import { Problem } from "../link/problem.ts";

const MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000, y: 365 * 86_400_000 } as const;

/** Parses a duration, `30s`, `15m`, `12h`, `90d`, `2w` or `1y`, to milliseconds. Throws Problem(usage). */
export function parseDuration(text: string): number {
  const match = /^([1-9]\d{0,8})([smhdwy])$/.exec(text);
  const unit = match?.[2] as keyof typeof MS | undefined;
  if (unit !== undefined) return Number(match?.[1]) * MS[unit];
  throw Problem.usage(
    "duration-invalid",
    `${JSON.stringify(text)} is not a duration`,
    "write a number and a unit (s, m, h, d, w or y): 12h, 90d",
  );
}

/** Parses a time to come, a duration from `now` or an ISO 8601 date or time, to milliseconds since 1970. Throws Problem(usage). */
export function parseMoment(text: string, now: number): number {
  if (/^\d+[a-z]$/.test(text)) return now + parseDuration(text);
  const at = /^\d{4}-\d{2}-\d{2}(?:T[\d:.]+(?:Z|[+-]\d{2}:\d{2})?)?$/.test(text) ? Date.parse(text) : NaN;
  if (!Number.isNaN(at)) return at;
  throw Problem.usage(
    "moment-invalid",
    `${JSON.stringify(text)} is neither a duration nor a date`,
    "write a duration (12h, 90d) or a date (2027-01-31, 2027-01-31T18:00:00Z)",
  );
}

/** Parses a past time, a duration before `now` or an ISO 8601 date or time, to milliseconds since 1970. Throws Problem(usage). */
export function parsePast(text: string, now: number): number {
  return /^\d+[a-z]$/.test(text) ? now - parseDuration(text) : parseMoment(text, now);
}

/** Formats a time span, positive or negative, in its largest unit: `3 h`. */
export function formatSpan(ms: number): string {
  const seconds = Math.max(0, Math.round(Math.abs(ms) / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}
