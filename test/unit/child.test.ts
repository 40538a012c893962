import { Readable } from "node:stream";
import { expect, test } from "vitest";
import { allListening } from "../../cli/serve/workerd-process.ts";

test("what workerd tells of other things than its sockets is passed over", async () => {
  const told = [
    { event: "listen-inspector", port: 9229 },
    { event: "listen", socket: "http", port: 8787 },
    { event: "of-a-later-release" },
    { event: "listen", socket: "tcp:8000", port: 8000 },
  ];
  const control = Readable.from(told.map((event) => `${JSON.stringify(event)}\n`));
  expect([...(await allListening(control, ["http", "tcp:8000"]))]).toEqual([
    ["http", 8787],
    ["tcp:8000", 8000],
  ]);
});
