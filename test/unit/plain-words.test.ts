import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

/** Phrases that comments, messages and names do not use, each with what to write instead; docs/glossary.md says the rest. */
const REFUSED: readonly (readonly [phrase: RegExp, instead: string])[] = [
  [
    /\b(whoever|whomever|nobody|somebody|everybody|anybody)\b/i,
    "name the actor: the relay, the agent, a client, a visitor",
  ],
  [/\b(those|they|ones?|that) who\b/i, "name the actor"],
  [/\b(he|him|his|himself)\b/i, "it, or name the actor"],
  [
    /\b(the )?(relay|agent|lane|session|stream|edge|gateway|client|caller|end|sender|receiver|registry|target|program|process|worker|socket|reader|object|side|peer)s?,? who\b/i,
    "that",
  ],
  [/(^|[.:;]\s|\/\/\s|\*\s|["`])Of (?!course)[a-z]/, "start the sentence with its subject"],
  [
    /\b(anew|thereof|whence|whither|hitherto|forthwith|lest|nought|naught|hereby|withal|of old)\b/i,
    "again, from where, until now, so that … not",
  ],
  [/, for (it|they|there|he|she) /, "because"],
  [/\bmend(s|ed|ing)?\b/i, "fix, repair"],
  [/\b(now and then|to and fro|so (many|much) (bytes|frames|may))\b/i, "at intervals, that many"],
  [/\b(standstill|stands? (beside|behind|still))\b/i, "stall, stop; next to"],
  [/\b(MOST|LONGEST|LEAST|ENOUGH)_/, "MAX_, MIN_"],
  [/DESIGN(\.md| section)/, "cite a page of docs/"],
  [
    /\b(Ailment|isDecent|Doorman|Lull|inTheWay|attended|elder|Crowd|Telling|Post)\b|LULL/,
    "the field's term (docs/glossary.md)",
  ],
];

/** One line that has them all. */
const EXAMPLES =
  "// Of a peer who loses his way, and those who mend it anew, nobody knows, for it stands still now and then: a Lull of MOST_LULLS (DESIGN section 3)";

const PRODUCT = ["shared", "edge", "agent", "cli", "gateway", "link", "dashboard"];

/** Files that are about to be replaced keep their words until then. */
const REPLACED_SOON: readonly string[] = [
  "edge/ingress/http-login.ts",
  "edge/relay/doors/http-held.ts",
  "edge/relay/doors/http-upload.ts",
  "edge/relay/doors/http-websocket.ts",
  "edge/relay/doors/http.ts",
];

test("no comment, message or name of the product uses a refused phrase", () => {
  const listed = execFileSync("git", ["ls-files", ...PRODUCT.flatMap((each) => [`${each}/*.ts`, `${each}/*.tsx`])]);
  const files = listed
    .toString()
    .split("\n")
    .filter((file) => file !== "" && existsSync(file));
  expect(files.length).toBeGreaterThan(400);
  const isReplacedSoon = (file: string): boolean => REPLACED_SOON.some((each) => file === each);
  expect(files.filter((file) => !isReplacedSoon(file)).flatMap(findings)).toEqual([]);
  // A file that needs no exception any more leaves the list.
  expect(files.filter((file) => isReplacedSoon(file) && findings(file).length === 0)).toEqual([]);
});

test.each(REFUSED)("%s is found where it stands, so the test above can fail", (phrase) => {
  expect(phrase.test(EXAMPLES)).toBe(true);
});

/** Each refused phrase in a file, as `file:line: phrase (what to write instead): line`. */
function findings(file: string): string[] {
  return readFileSync(file, "utf8")
    .split("\n")
    .flatMap((line, index) =>
      REFUSED.filter(([phrase]) => phrase.test(line)).map(
        ([phrase, instead]) => `${file}:${index + 1}: ${phrase.exec(line)?.[0]} (${instead}): ${line.trim()}`,
      ),
    );
}
