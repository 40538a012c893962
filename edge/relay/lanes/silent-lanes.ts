import { LANE_CLOSE } from "../../../shared/wire/errors.ts";
import { DEAD_MS, SUSPECT_MS } from "../../../shared/wire/limits.ts";
import type { Lane } from "./lane.ts";
import type { End, Lanes } from "./lanes.ts";

/** Milliseconds between two checks; each frame calls `check`. */
const CHECK_INTERVAL_MS = 1_000;

export type SilentLanesHost = {
  lanes: Lanes;
  /** When the platform answered the last ping of a lane, in milliseconds since 1970; 0: never. */
  lastPing: (lane: Lane) => number;
  dismiss: (lane: Lane, code: number, reason: string) => void;
};

/**
 * Finds lanes whose end has disappeared without closing them: its machine has lost power, or its network. Their sockets stay open
 * for many minutes, in which their streams would wait and new visitors would be sent there.
 *
 * It checks only while the relay is awake for another reason: the platform answers pings, and waking for them would cost the relay
 * its hibernation.
 */
export class SilentLanes {
  readonly #host: SilentLanesHost;
  #checkedAt = 0;
  /** Runs between the check that found silent lanes and the one that dismisses them. */
  #confirmTimer: ReturnType<typeof setTimeout> | null = null;

  constructor(host: SilentLanesHost) {
    this.#host = host;
  }

  /** Returns when a lane was last heard, in milliseconds since 1970, like `now`. */
  lastHeard(lane: Lane, now: number): number {
    const times = [this.#host.lastPing(lane), lane.heardAt, lane.attachment.since];
    const past = Math.max(0, ...times.filter((at) => at <= now));
    if (times.every((at) => at <= now)) return past;
    // The clock was set back. A live lane is heard again within seconds, by the present clock.
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
   * Finds silent lanes, and sends each a MARK. A second check some seconds later dismisses those that are still silent. One check is
   * not enough: after this machine was suspended, pings may still wait to be read, and after its clock was set forward, all lanes
   * seem to have been silent for long. `now` in milliseconds since 1970.
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

  /** Returns when an agent may turn out to be silent next, in milliseconds since 1970; null when there is no agent. */
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
