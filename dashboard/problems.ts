import type { StatusView } from "../shared/rule/api.ts";
import { count, relative } from "./format.ts";

/** Something to look at, the worst first. */
export interface Trouble {
  readonly tone: "bad" | "warn";
  readonly text: string;
  /** The mapping it is about, if it is about one. */
  readonly endpoint: string | undefined;
}

/** Milliseconds for which a refusal is news. */
const NEWS_MS = 3_600_000;
/** Of refusals, so many are told one by one. */
const MOST = 5;

/** What is wrong, or soon will be, in a status. `now` in milliseconds since 1970. */
export function troubles(status: StatusView, now: number): Trouble[] {
  const mapped = new Set(status.mappings.map(({ site }) => site));
  const sites = status.sites.flatMap(({ name, state }): Trouble[] => {
    if (state === "unknown") return [bad(`The relay of ${name} does not answer.`)];
    if (state !== "offline" || !mapped.has(name)) return [];
    const stranded = status.mappings.filter(({ site }) => site === name).length;
    return [bad(`${name} is offline: ${count(stranded, "mapping leads", "mappings lead")} nowhere.`)];
  });
  const refused = status.mappings
    .filter(({ lastRefusal }) => lastRefusal !== null && now - Date.parse(lastRefusal.at) < NEWS_MS)
    // Of a site that is offline all visitors are refused; that has been said.
    .filter(({ lastRefusal }) => lastRefusal?.code !== "no-agent")
    .toSorted((a, b) => (b.lastRefusal?.at ?? "").localeCompare(a.lastRefusal?.at ?? ""));
  const refusals = refused.slice(0, MOST).map(({ endpoint, lastRefusal }): Trouble => {
    const at = Date.parse(lastRefusal?.at ?? "");
    return {
      tone: "warn",
      text: `Refused a visitor ${relative(at, now)}: ${lastRefusal?.reason ?? ""}`,
      endpoint,
    };
  });
  const more =
    refused.length > MOST ? [warn(`${refused.length - MOST} more mappings refused visitors in the last hour.`)] : [];
  return [...sites, ...refusals, ...more, ...status.warnings.map(warn)];
}

function bad(text: string): Trouble {
  return { tone: "bad", text, endpoint: undefined };
}

function warn(text: string): Trouble {
  return { tone: "warn", text, endpoint: undefined };
}
