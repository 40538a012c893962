import type { StatusView } from "../shared/rule/api.ts";
import { count, relative } from "./format.ts";

/** A problem to show on the overview. */
export interface Problem {
  readonly tone: "bad" | "warn";
  readonly text: string;
  /** The endpoint of the mapping concerned, if it is one. */
  readonly endpoint: string | undefined;
}

/** Milliseconds for which a refusal is shown. */
const RECENT_MS = 3_600_000;
/** Limit on refusals listed one by one. */
const MAX_REFUSALS = 5;

/** Lists the problems in a status, the worst first. `now` in milliseconds since 1970. */
export function problemsOf(status: StatusView, now: number): Problem[] {
  const mapped = new Set(status.mappings.map(({ site }) => site));
  const sites = status.sites.flatMap(({ name, state }): Problem[] => {
    if (state === "unknown") return [bad(`The relay of ${name} does not answer.`)];
    if (state !== "offline" || !mapped.has(name)) return [];
    const stranded = status.mappings.filter(({ site }) => site === name).length;
    return [bad(`${name} is offline: ${count(stranded, "mapping leads", "mappings lead")} nowhere.`)];
  });
  const refused = status.mappings
    .filter(({ lastRefusal }) => lastRefusal !== null && now - Date.parse(lastRefusal.at) < RECENT_MS)
    // An offline site refuses all visitors; it is listed already.
    .filter(({ lastRefusal }) => lastRefusal?.code !== "no-agent")
    .toSorted((a, b) => (b.lastRefusal?.at ?? "").localeCompare(a.lastRefusal?.at ?? ""));
  const refusals = refused.slice(0, MAX_REFUSALS).map(({ endpoint, lastRefusal }): Problem => {
    const at = Date.parse(lastRefusal?.at ?? "");
    return {
      tone: "warn",
      text: `Refused a visitor ${relative(at, now)}: ${lastRefusal?.reason ?? ""}`,
      endpoint,
    };
  });
  const more =
    refused.length > MAX_REFUSALS
      ? [warn(`${refused.length - MAX_REFUSALS} more mappings refused visitors in the last hour.`)]
      : [];
  return [...sites, ...refusals, ...more, ...status.warnings.map(warn)];
}

function bad(text: string): Problem {
  return { tone: "bad", text, endpoint: undefined };
}

function warn(text: string): Problem {
  return { tone: "warn", text, endpoint: undefined };
}
