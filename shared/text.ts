// Makes text from outside safe for a log, a terminal or the register.

/** Most characters of one value in a log line. */
const MAX_LOGGED = 256;

// Controls and line separators (they forge lines and command terminals), format characters (they reorder or hide
// text: U+202E, zero-width, tags), lone surrogates, private use, and invisible Hangul fillers. The two joiners are allowed,
// because Persian, Indian scripts and emoji need them.
const HIDDEN = /(?![\u200C\u200D])[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}\u115F\u1160\u3164\uFFA0]/u;
const HIDDEN_ALL = new RegExp(HIDDEN.source, "gu");

/** Makes text harmless on one line: hidden characters become `\u{1b}`, and it is cut to `max` characters, `…` included. */
export function clean(text: string, max = MAX_LOGGED): string {
  // Cut first: hostile text may be long, and a character becomes at most ten.
  const escaped = text
    .slice(0, max + 1)
    .replace(HIDDEN_ALL, (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`);
  if (escaped.length <= max) return escaped;
  const kept = escaped.slice(0, max - 1).replace(/[\uD800-\uDBFF]$/, "");
  return `${kept}…`;
}

/** Whether text has no hidden character, as register fields must. */
export function isPlainText(text: string): boolean {
  return !HIDDEN.test(text);
}
