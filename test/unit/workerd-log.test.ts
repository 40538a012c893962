import { expect, test } from "vitest";
import { forwardLine } from "../../cli/serve/workerd-log.ts";
import type { Fields, Level } from "../../link/log.ts";

/** What the launcher writes for a line of workerd's. */
function relayed(line: string): [Level, string, Fields] {
  const written: [Level, string, Fields][] = [];
  forwardLine(line, (level, message, fields = {}) => void written.push([level, message, fields]));
  const [first, ...more] = written;
  expect(more).toEqual([]);
  return first!;
}

const said = (level: string, message: string): string => JSON.stringify({ level, message, source: "workerd/server" });

test.each([
  ["error", "Uncaught exception: kj/async.c++:1: failed: x", "error"],
  ["warning", "a warning", "warn"],
  ["log", "an ordinary line", "info"],
  ["debug", "a detail", "debug"],
])("a line of workerd at %s is one of ours", (level, message, ours) => {
  expect(relayed(said(level, message))).toEqual([ours, message, { from: "workerd" }]);
});

test("what is no JSON is passed on as it is", () => {
  expect(relayed("workerd: can't listen")).toEqual(["warn", "workerd: can't listen", { from: "workerd" }]);
});

// As workerd 2026-10-23 and 2026-11-17 wrote it when a visitor sent a message of 33 MiB, and a frame of an unknown kind.
test.each([
  [
    "Uncaught exception: kj/compat/http.c++:6212: failed: remote.jsg.Error: WebSocket protocol error; protocolError.statusCode = 1009; protocolError.description = Message is too large: 34603008 > 33554432",
    { code: 1009, why: "Message is too large: 34603008 > 33554432" },
  ],
  [
    "Uncaught exception: kj/compat/http.c++:6176: failed: remote.jsg.Error: WebSocket protocol error; protocolError.statusCode = 1002; protocolError.description = Unknown opcode 3",
    { code: 1002, why: "Unknown opcode 3" },
  ],
])("a visitor who breaks the protocol of WebSockets is no fault of the edge's: %s", (message, fields) => {
  expect(relayed(said("error", message))).toEqual(["info", "a visitor's WebSocket broke the protocol", fields]);
});
