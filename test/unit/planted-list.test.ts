import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "../../scripts/tool.ts";
import { VULNERABILITIES } from "../planted/vulnerabilities.ts";

const read = (file: string): string => readFileSync(join(ROOT, file), "utf8");

test.each(VULNERABILITIES)(
  "$name: there is a place for it, and a test that would notice",
  ({ also = [], test: [by, name], ...edit }) => {
    for (const { file, find } of [edit, ...also]) expect(read(file).split(find)).toHaveLength(2);
    expect(read(by)).toContain(name.replace(/^whatever (a client|an agent) says/, "says"));
  },
);
