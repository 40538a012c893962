/** The one place for the version; package.json is checked against it. */
export const VERSION = "0.1.0";

/** Wire protocol version, said in HELLO (docs/protocol.md 3.1). */
export const PROTOCOL = 1;

/** Feature of a relay, said in WELCOME: its ends may say in BUDGET what they could use. */
export const FEATURE_ASK_BUDGET = "ask-budget";

/** Feature of a relay, said in WELCOME: an agent whose place another process has taken may wait there to take over again. */
export const FEATURE_STANDBY = "standby";

/** Feature of a relay, said in WELCOME: an agent may say HELLO again on a lane when its own rules of targets have changed. */
export const FEATURE_RULES = "rules";

/** Whether a version is older than another, by their numbers; a word for people only, never what decides whether two understand each other. */
export function isOlder(version: string, than: string): boolean {
  const [one, other] = [version, than].map((text) => text.split(/[.+-]/).map(Number));
  for (let at = 0; at < 3; at += 1) {
    const difference = (one?.[at] ?? 0) - (other?.[at] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}
