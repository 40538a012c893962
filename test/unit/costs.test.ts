import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "../../scripts/tool.ts";

type Row = [what: string, messages: number, requests: number, activeSeconds: number, gigabyteSeconds: number];
type Results = { tables: { title: string; rows: Row[] }[] };

/** Rows of the page, and what the bench calls them. */
const ROWS: readonly (readonly [page: string, bench: string])[] = [
  ["an idle site", "idle agent, a day"],
  ["a call, G.711, 50 packets/s each way, one hour", "1 call, an hour"],
  ["each of ten such calls at once", "each of 10 calls at once, an hour"],
  ["a camera at 4 Mbit/s, 25 pictures/s, a day", "a camera at 4 Mbit/s, a day"],
  ["SSH, a key every 2 s, 8 h", "SSH, a key every 2 s, 8 h"],
];

const page = readFileSync(join(ROOT, "docs/operations.md"), "utf8");

function results(): Results {
  const [, file = ""] = /\]\(\.\.\/(bench\/results\/[\w-]+-cost)\.md\)/.exec(page) ?? [];
  return JSON.parse(readFileSync(join(ROOT, `${file}.json`), "utf8")) as Results;
}

/** The numbers of a table's row on the page; dollars last. */
function told(what: string): number[] {
  const line = page.split("\n").find((each) => each.startsWith(`| ${what} |`)) ?? "";
  return line
    .split("|")
    .slice(2, 6)
    .map((cell) => Number(cell.replaceAll(/[,$\s]/g, "")));
}

test.each(ROWS)("what operations.md says that %s costs is what was measured", (what, measured) => {
  const row = results()
    .tables.flatMap(({ rows }) => rows)
    .find(([name]) => name === measured);
  const [, messages = NaN, requests = NaN, , gigabyteSeconds = NaN] = row ?? [];
  const [toldMessages, toldRequests, toldSeconds, toldDollars = NaN] = told(what);
  expect([toldMessages, toldRequests, toldSeconds]).toEqual([messages, requests, gigabyteSeconds].map(Math.round));
  const dollars = (requests * 0.15 + gigabyteSeconds * 12.5) / 1e6;
  expect(Math.abs(toldDollars - dollars)).toBeLessThanOrEqual(Math.max(dollars * 0.15, 0.0005));
});

test("an idle site costs nothing", () => {
  expect(told("an idle site")).toEqual([0, 0, 0, 0]);
});
