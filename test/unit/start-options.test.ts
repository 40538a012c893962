import { expect, test } from "vitest";
import { parseOptions } from "../../scripts/start/options.ts";

test("npm start listens on this machine alone unless it is told otherwise, whatever it maps", () => {
  for (const args of [[], ["--map", "8090=192.168.2.102:8090"]])
    expect(parseOptions(args)).toMatchObject({ listen: "127.0.0.1:8787", bind: "127.0.0.1" });
  expect(parseOptions(["--bind", "0.0.0.0"])).toMatchObject({ bind: "0.0.0.0" });
});
