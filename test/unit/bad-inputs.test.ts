import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "../../scripts/tool.ts";
import { badFrames } from "../support/bad-frames.ts";
import { ANSWERS, CLAIMS, HOSTS, REQUESTS } from "../support/bad-http.ts";
import { DISGUISES, GARBAGE } from "../support/bad-targets.ts";
import { badTokens } from "../support/bad-tokens.ts";
import { unsignedToken } from "../support/unsigned-token.ts";

const page = readFileSync(join(ROOT, "docs/security.md"), "utf8");

/** How many differ, of each kind that docs/security.md counts. */
const COUNTED: Readonly<Record<string, number>> = {
  tokens: differ(Object.values(badTokens(unsignedToken("lab"), { kid: "k", x: "AAAA" }))),
  targets: differ([...DISGUISES, ...GARBAGE]),
  requests: differ(REQUESTS.map(([, bytes]) => bytes)) + differ(HOSTS.map(([, header]) => header)) + differ(CLAIMS),
  answers: differ(ANSWERS.map(([, bytes]) => bytes)),
  frames: differ(
    (["client", "gateway", "agent"] as const)
      .flatMap((kind) => badFrames(kind, kind === "agent" ? { channel: 1 } : { slot: 1 }))
      .map(({ message }) => (typeof message === "string" ? message : Buffer.from(message).toString("latin1"))),
  ),
};

test.each(Object.entries(COUNTED))("the page says how many bad %s there are: %i", (what, count) => {
  expect(page).toContain(`${count} ${what}`);
});

test("all together they are what the page says, and several hundred", () => {
  const all = Object.values(COUNTED).reduce((sum, count) => sum + count, 0);
  expect(all).toBeGreaterThan(400);
  expect(page).toContain(`${all} distinct bad inputs`);
});

test("the corpus is as large as the page says at least", () => {
  const folder = join(ROOT, "test/corpus");
  const kept = readdirSync(folder).map(
    (file) => (JSON.parse(readFileSync(join(folder, file), "utf8")) as unknown[]).length,
  );
  const [, said] = /more than (\d+) inputs kept/.exec(page) ?? [];
  expect(kept.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(Number(said));
});

function differ(inputs: readonly string[]): number {
  return new Set(inputs).size;
}
