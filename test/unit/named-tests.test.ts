import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "../../scripts/tool.ts";

/** A test that a page names, and the beginning of its title, where one of many is meant: `test/…` *title*. */
const NAMED = /`(test\/[\w/.-]+\.test\.ts)`(?: \*([^*]+)\*)?/g;

const all = [
  "README.md",
  "CHANGELOG.md",
  ...readdirSync(join(ROOT, "docs"), { recursive: true, encoding: "utf8" }).map((page) => `docs/${page}`),
].filter((page) => page.endsWith(".md"));

const pages = all
  .map((page) => ({ page, named: [...readFileSync(join(ROOT, page), "utf8").matchAll(NAMED)] }))
  .filter(({ named }) => named.length > 0);

test("pages name tests", () => {
  expect(pages.map(({ page }) => page)).toContain("docs/advisories.md");
});

test.each(pages)("every test that $page names is there", ({ named }) => {
  for (const [, file = "", title = ""] of named) {
    expect(existsSync(join(ROOT, file)), file).toBe(true);
    expect(readFileSync(join(ROOT, file), "utf8"), file).toContain(title);
  }
});

/** In tables a test is named in short: `e2e/agents`, as the head of the table says. */
const SHORT = /(?<![\w/`.-])(?:unit|spec|e2e|system|soak)\/[\w-]+(?![\w/-])/g;

test.each(all)("every test that %s names in short is there", (page) => {
  const named = new Set(readFileSync(join(ROOT, page), "utf8").match(SHORT));
  expect([...named].filter((each) => !existsSync(join(ROOT, `test/${each}.test.ts`)))).toEqual([]);
});
