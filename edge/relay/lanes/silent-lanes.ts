import { LANE_CLOSE } from "../../../shared/wire/errors.ts";
import { DEAD_MS, SUSPECT_MS } from "../../../shared/wire/limits.ts";
import type { Lane } from "./lane.ts";
import type { End, Lanes } from "./lanes.ts";

/** Milliseconds between two looks: each frame is an occasion. */
const CHECK_INTERVAL_MS = 1_000;

export type SilentLanesHost = {
  lanes: Lanes;
  /** When the platform answered the last ping of a lane, in milliseconds since 1970; 0: never. */
  lastPing: (lane: Lane) => number;
  dismiss: (lane: Lane, code: number, reason: string) => void;
};

/**
 * Finds lanes whose far end is gone without a word: its machine has lost its power, or its path is dark. Their sockets stay open
 * for many minutes, and for all that time their streams would wait and new visitors would be sent there.
 *
 * It looks when the relay is awake for another reason: pings are answered by the platform, and waking for them would cost a
 * relay its hibernation.
 */
export class SilentLanes {
  readonly #host: SilentLanesHost;
  #checkedAt = 0;
  /** Runs between the look that found silent lanes and the one that dismisses them. */
  #confirmTimer: ReturnType<typeof setTimeout> | null = null;

  constructor(host: SilentLanesHost) {
    this.#host = host;
  }

  /** When a lane was last heard, in milliseconds since 1970. `now` likewise. */
  lastHeard(lane: Lane, now: number): number {
    const times = [this.#host.lastPing(lane), lane.heardAt, lane.attachment.since];
    const past = Math.max(0, ...times.filter((at) => at <= now));
    if (times.every((at) => at <= now)) return past;
    // The clock was set back. A lane that lives is heard within seconds, by the clock of today.
    lane.setBackAt = Math.min(lane.setBackAt ?? now, now);
    return Math.max(past, lane.setBackAt);
  }

  isSilent(lane: Lane, now: number): boolean {
    return this.lastHeard(lane, now) < now - DEAD_MS;
  }

  /** Whether all lanes of an end are silent. */
  isEndSilent({ lanes }: End, now: number): boolean {
    return [...lanes.values()].every((lane) => this.isSilent(lane, now));
  }

  /**
   * Looks for silent lanes, and asks their ends whether they are there. Those that don't answer are dismissed by a second look some
   * seconds later: after a standstill of this machine their pings may wait to be read, and after its clock was set on all that was
   * heard seems long ago. `now` in milliseconds since 1970.
   */
  check(now: number): void {
    if (Math.abs(now - this.#checkedAt) < CHECK_INTERVAL_MS) return;
    this.#checkedAt = now;
    if (this.#confirmTimer !== null) return;
    const silent = this.#silent(now);
    if (silent.length === 0) return;
    for (const lane of silent) void lane.measure(now);
    this.#confirmTimer = setTimeout(() => {
      this.#confirmTimer = null;
      const reason = `nothing was heard for ${DEAD_MS / 1000} s`;
      for (const lane of this.#silent(Date.now())) this.#host.dismiss(lane, LANE_CLOSE.silent, reason);
    }, SUSPECT_MS);
  }

  /** When the next agent may turn out to be silent, in milliseconds since 1970; null: there is none. */
  nextCheck(now: number): number | null {
    const ends = this.#host.lanes.agents.map(({ lanes }) =>
      Math.max(...[...lanes.values()].map((lane) => this.lastHeard(lane, now))),
    );
    return ends.length === 0 ? null : Math.max(now, Math.min(...ends) + DEAD_MS) + CHECK_INTERVAL_MS;
  }

  #silent(now: number): Lane[] {
    return [...this.#host.lanes.all()].filter((lane) => lane.attachment.ready !== null && this.isSilent(lane, now));
  }
}
