import { GRACE_MS, MAX_GRACE_MS } from "../../shared/wire/limits.ts";

/** Converts GRACE_SECONDS to milliseconds. Logs an invalid value and uses the default, so that it doesn't take the site offline. */
export function graceOf(seconds: string | undefined): number {
  if (seconds === undefined || seconds === "") return GRACE_MS;
  const ms = /^\d{1,4}$/.test(seconds) ? Number(seconds) * 1000 : Number.NaN;
  if (ms <= MAX_GRACE_MS) return ms;
  console.warn(
    `GRACE_SECONDS is ${JSON.stringify(seconds)}, not a number from 0 to ${MAX_GRACE_MS / 1000}; using ${GRACE_MS / 1000}`,
  );
  return GRACE_MS;
}
