import type { IdleWatch } from "../measure/idle.ts";
import type { Peer, Targets } from "./peer.ts";
import type { Report } from "./report.ts";

/** What every measurement gets. */
export interface Bench {
  /** Less of everything: under three minutes in all. */
  readonly quick: boolean;
  readonly rounds: number;
  /** Seconds of one reading. */
  readonly seconds: number;
  /** All in front of the same targets, running. */
  readonly peers: readonly Peer[];
  readonly targets: Targets;
  readonly report: Report;
  /** An idle agent, watched since this was first asked for: the longer the better. */
  readonly idle: () => Promise<IdleWatch>;
  /** Folder of the built programs. */
  readonly dist: string;
  /** Another such folder to measure beside, or null. */
  readonly before: string | null;
}

/**
 * One part of the benchmark. What it answers has to have the machine for itself, and runs when those have ended that ran
 * beside this one.
 */
export type Measure = (bench: Bench) => Promise<void | (() => Promise<void>)>;

/** The name of our own peer in tables. */
export const OURS = "sallyport";
