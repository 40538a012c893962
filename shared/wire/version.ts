/** The version of these programs. A test compares package.json with it. */
export const VERSION = "0.1.0";

/** Version of the wire protocol, sent in HELLO (docs/protocol.md section 3.1). */
export const PROTOCOL = 1;

/** Feature of a relay, in WELCOME: ends may send it their demand in BUDGET. */
export const FEATURE_ASK_BUDGET = "ask-budget";

/** Feature of a relay, in WELCOME: an agent that another process has replaced may wait there to take over again. */
export const FEATURE_STANDBY = "standby";

/** Feature of a relay, in WELCOME: an agent may send HELLO again on a lane when its own rules for targets have changed. */
export const FEATURE_RULES = "rules";

/**
 * Whether a version is older than another, by their numbers. For messages only: whether two programs work together is decided
 * by PROTOCOL and features.
 */
export function isOlder(version: string, than: string): boolean {
  const [one, other] = [version, than].map((text) => text.split(/[.+-]/).map(Number));
  for (let at = 0; at < 3; at += 1) {
    const difference = (one?.[at] ?? 0) - (other?.[at] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}
