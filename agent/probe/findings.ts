import type { ProbeReport } from "../../shared/wire/probe.ts";

/** What was found at a target. */
export type Findings = Omit<ProbeReport, "tookMs">;
export type ProbeFailure = NonNullable<ProbeReport["failure"]>;

/** Makes the findings of a target that was not reached. */
export function failed(code: string, reason: string, fix: string): Findings {
  return { dialMs: null, address: "", failure: { code, reason, fix }, tls: null, seen: "", asked: "" };
}
