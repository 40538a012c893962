import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { VERSION } from "../../shared/wire/version.ts";
import { fences } from "../support/documents.ts";

test.for(["package.json", "package-lock.json"])("%s says the version of shared/wire/version.ts", (file) => {
  const { version } = JSON.parse(readFileSync(file, "utf8")) as { version: string };
  expect(version).toBe(VERSION);
});

test("what changed since the last version, or in this one, is in the CHANGELOG", () => {
  const [, title = "", entries = ""] =
    /^## (.+)\n([^]*?)(?=^## |(?![^]))/m.exec(readFileSync("CHANGELOG.md", "utf8")) ?? [];
  expect(["Unreleased", VERSION]).toContain(title.split(" ")[0]);
  expect(entries).toMatch(/^- /m);
});

test("files that documents name after a version have this one", () => {
  const named = fences().flatMap(({ text }) =>
    [...text.matchAll(/sallyport[_-](\d+\.\d+\.\d+)/g)].map(([, version]) => version),
  );
  expect(named.length).toBeGreaterThan(0);
  expect(new Set(named)).toEqual(new Set([VERSION]));
});
