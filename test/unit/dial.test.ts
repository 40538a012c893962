import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { expect, onTestFinished, test, vi } from "vitest";
import { dial, failureOf } from "../../agent/egress/dial.ts";
import { parseAddress, type Address } from "../../shared/address/address.ts";
import { good } from "./parsed.ts";

test.each([
  ["ECONNREFUSED", "target-refused"],
  ["ENOENT", "target-refused"],
  ["ECONNRESET", "target-reset"],
  ["EPIPE", "target-reset"],
  ["EHOSTUNREACH", "target-unreachable"],
  ["ENETUNREACH", "target-unreachable"],
  ["ENETDOWN", "target-unreachable"],
  ["EADDRNOTAVAIL", "target-unreachable"],
  ["ETIMEDOUT", "target-timeout"],
  ["EMFILE", "busy"],
  ["ENFILE", "busy"],
  ["EWHATEVER", "target-unreachable"],
])("a connect that fails with %s is %s", (code, word) => {
  const failure = failureOf(Object.assign(new Error("as Node said it"), { code }), "10.0.0.5:80");
  expect(failure.code).toBe(word);
  if (word !== "busy") expect(failure.reason).toContain("10.0.0.5:80");
});

test("a target that never answers is given up after ten seconds, and said so", () => {
  const failure = failureOf(new DOMException("", "TimeoutError"), "10.0.0.5:80");
  expect(failure).toEqual({ code: "target-timeout", reason: "10.0.0.5:80 did not answer in 10 s" });
});

test("a dial that nobody answers waits for ten seconds, not longer", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  // Whatever the network says, it says later: until we await something nothing is heard of it.
  const dialled = dial(addresses("127.0.0.2"), 9, () => true, new AbortController().signal);
  vi.advanceTimersByTime(9_999);
  expect(vi.getTimerCount()).toBe(1);
  vi.advanceTimersByTime(1);
  expect(await dialled).toEqual({
    ok: false,
    failure: { code: "target-timeout", reason: "127.0.0.2:9 did not answer in 10 s" },
  });
});

test("a dial is called off when the visitor goes, at whatever address it is", async () => {
  // Two that never answer (TEST-NET-1) or have no route: either way nobody waits.
  const gone = new AbortController();
  const dialled = dial(addresses("192.0.2.1", "192.0.2.2"), 9, () => true, gone.signal);
  gone.abort();
  expect(await dialled).toMatchObject({ ok: false });
});

test("of several addresses the first that answers is taken", async () => {
  const server = createServer((socket) => void socket.on("error", () => undefined).end("hello")).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const dialled = await dial(addresses("127.0.0.2", "127.0.0.1"), port, () => true, new AbortController().signal);
  expect(dialled).toMatchObject({ ok: true, socket: { remoteAddress: "127.0.0.1", allowHalfOpen: true } });
  if (dialled.ok) dialled.socket.destroy();
  server.close();
});

test("when one address fails, the next is tried at once, and the first failure is told when all have", async () => {
  const dialled = await dial(
    addresses("127.0.0.2", "127.0.0.3", "127.0.0.4"),
    1,
    () => true,
    new AbortController().signal,
  );
  expect(dialled).toEqual({
    ok: false,
    failure: { code: "target-refused", reason: "127.0.0.2:1 refused the connection: nothing listens there" },
  });
});

test("a visitor who has gone before the dial is not dialled for", async () => {
  let reads = 0;
  const dialled = await dial(addresses("127.0.0.2"), 1, () => (reads += 1) > 0, AbortSignal.abort());
  expect(dialled).toMatchObject({ ok: false, failure: { code: "target-unreachable" } });
});

function addresses(...texts: string[]): Address[] {
  return texts.map((text) => good(parseAddress(text)));
}
