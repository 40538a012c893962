import { GRACE_MS, MAX_GRACE_MS } from "../../shared/wire/limits.ts";

/** Milliseconds of GRACE_SECONDS. What makes no sense is reported, and taken for the default: a site must not go dark for it. */
export function graceOf(seconds: string | undefined): number {
  if (seconds === undefined || seconds === "") return GRACE_MS;
  const ms = /^\d{1,4}$/.test(seconds) ? Number(seconds) * 1000 : Number.NaN;
  if (ms <= MAX_GRACE_MS) return ms;
  console.warn(
    `GRACE_SECONDS is ${JSON.stringify(seconds)}, not 0 to ${MAX_GRACE_MS / 1000}: ${GRACE_MS / 1000} it is`,
  );
  return GRACE_MS;
}
