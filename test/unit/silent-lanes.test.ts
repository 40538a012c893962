import { expect, test, vi } from "vitest";
import { DEAD_MS, PING_MS, SUSPECT_MS } from "../../shared/wire/limits.ts";

type Lane = {
  heardAt: number;
  setBackAt: number | null;
  attachment: { since: number; ready: object | null };
  measure: () => Promise<void>;
};
type End = { lanes: Map<number, Lane> };
type SilentLanesClass = new (host: object) => {
  lastHeard: (lane: Lane, now: number) => number;
  isEndSilent: (end: End, now: number) => boolean;
  check: (now: number) => void;
  nextCheck: (now: number) => number | null;
};

/** The relay's part, whose types are of another world than these. */
const { SilentLanes } = (await import(
  /* @vite-ignore */ new URL("../../edge/relay/lanes/silent-lanes.ts", import.meta.url).href
)) as {
  SilentLanes: SilentLanesClass;
};

test("a lane that was silent for DEAD_MS is dismissed by a second look, one that pings is not", () => {
  using relay = aRelay();
  const [silent, lives] = [relay.lane(), relay.lane()];
  relay.passes(DEAD_MS, () => relay.ping(lives));
  relay.look();
  expect(relay.dismissed).toEqual([]);
  relay.passes(2_000);
  relay.look();
  expect(relay.isGone(silent)).toBe(true);
  expect(relay.dismissed).toEqual([]);
  relay.passes(SUSPECT_MS);
  expect(relay.dismissed).toEqual([silent]);
  expect(relay.isGone(lives)).toBe(false);
});

test("a lane whose ping is read between the two looks stays: this machine may have stood still", () => {
  using relay = aRelay();
  const lane = relay.lane();
  relay.passes(DEAD_MS + 1_000);
  relay.look();
  relay.ping(lane);
  relay.passes(2 * SUSPECT_MS);
  expect(relay.dismissed).toEqual([]);
});

test("frames count as pings do", () => {
  using relay = aRelay();
  const lane = relay.lane();
  relay.passes(DEAD_MS + 1_000);
  lane.heardAt = Date.now();
  relay.look();
  relay.passes(2 * SUSPECT_MS);
  expect(relay.dismissed).toEqual([]);
});

test("a lane that has not said HELLO is left to the time-out of HELLO", () => {
  using relay = aRelay();
  relay.lane(null);
  relay.passes(2 * DEAD_MS);
  relay.look();
  relay.passes(2 * SUSPECT_MS);
  expect(relay.dismissed).toEqual([]);
});

test("an hour after the clock was set back by two days, a lane that lives is here, and one that died is not", () => {
  using relay = aRelay();
  const [dead, lives] = [relay.lane(), relay.lane()];
  vi.setSystemTime(Date.now() - 2 * 86_400_000);
  relay.look();
  relay.passes(3_600_000, () => relay.ping(lives));
  expect(relay.dismissed).toEqual([dead]);
  expect(relay.isGone(lives)).toBe(false);
});

test("after the clock was set on by two days, lanes that answer stay, and one that died does not", () => {
  using relay = aRelay();
  const [lives, dead] = [relay.lane({}, true), relay.lane()];
  vi.setSystemTime(Date.now() + 2 * 86_400_000);
  relay.look();
  expect(relay.isGone(lives)).toBe(false);
  relay.passes(SUSPECT_MS);
  expect(relay.dismissed).toEqual([dead]);
});

test("the next look that an alarm is worth is when the first agent may be silent", () => {
  using relay = aRelay();
  expect(relay.silentLanes.nextCheck(Date.now())).toBeNull();
  const began = Date.now();
  relay.lane();
  relay.passes(5_000);
  expect(relay.silentLanes.nextCheck(Date.now())).toBe(began + DEAD_MS + 1_000);
  relay.passes(DEAD_MS);
  expect(relay.silentLanes.nextCheck(Date.now())).toBe(Date.now() + 1_000);
});

function aRelay() {
  vi.useFakeTimers({ now: 1_800_000_000_000 });
  const pinged = new Map<Lane, number>();
  const lanes = new Set<Lane>();
  const dismissed: Lane[] = [];
  const silentLanes = new SilentLanes({
    lanes: {
      all: () => lanes,
      get agents() {
        return [...lanes].map((lane) => ({ lanes: new Map([[0, lane]]) }));
      },
    },
    lastPing: (lane: Lane) => pinged.get(lane) ?? 0,
    dismiss: (lane: Lane) => {
      lanes.delete(lane);
      dismissed.push(lane);
    },
  });
  const look = (): void => silentLanes.check(Date.now());
  return {
    silentLanes,
    dismissed,
    look,
    isGone: (lane: Lane) => silentLanes.isEndSilent({ lanes: new Map([[0, lane]]) }, Date.now()),
    ping: (lane: Lane) => void pinged.set(lane, Date.now()),
    /** `answers`: when it is asked whether it is there. */
    lane(ready: object | null = {}, answers = false): Lane {
      const measure = (): Promise<void> => {
        if (answers) lane.heardAt = Date.now();
        return Promise.resolve();
      };
      const lane = { heardAt: 0, setBackAt: null, attachment: { since: Date.now(), ready }, measure };
      lanes.add(lane);
      return lane;
    },
    /** Time passes, in which lanes may ping; with `pings`, the relay is awake and looks now and then. */
    passes(ms: number, pings?: () => void): void {
      for (let left = ms; left > 0; left -= PING_MS) {
        vi.advanceTimersByTime(Math.min(left, PING_MS));
        pings?.();
        if (pings !== undefined && ms > 2 * DEAD_MS) look();
      }
    },
    [Symbol.dispose]: () => void vi.useRealTimers(),
  };
}
