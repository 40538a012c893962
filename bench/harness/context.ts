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
  /** Folder of the built programs. */
  readonly dist: string;
  /** Another such folder to measure beside, or null. */
  readonly before: string | null;
}

/** The name of our own peer in tables. */
export const OURS = "sallyport";
