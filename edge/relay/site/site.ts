import type { Lanes } from "../lanes/lanes.ts";
import type { Agents } from "./agents.ts";
import type { Cuts } from "./cuts.ts";
import type { Rates } from "./rates.ts";
import type { Records } from "./records.ts";
import type { Rules } from "./rules.ts";
import type { Sessions } from "./sessions.ts";
import type { TokenUsage } from "./token-usage.ts";
import type { Traffic } from "./traffic.ts";
import type { Visits } from "./visits.ts";

/** The state of a relay's site, shared by all doors. */
export type Site = {
  readonly rules: Rules;
  readonly cuts: Cuts;
  readonly lanes: Lanes;
  readonly agents: Agents;
  /** The relay's own sessions with agents. */
  readonly sessions: Sessions;
  /** Visitors at the edge's own ports and hosts. */
  readonly visits: Visits;
  readonly rates: Rates;
  readonly tokenUsage: TokenUsage;
  readonly records: Records;
  readonly traffic: Traffic;
  /** Resolves when there are rules and an agent, or when waiting for either is pointless. */
  readonly ready: () => Promise<void>;
  /** Returns when the last agent left, in milliseconds since 1970; null if that is not known. */
  readonly offlineSince: () => number | null;
};
