import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ADMIN_BODY, readBody, OpenBodies, type BodyRule } from "../../edge/body.ts";
import { ROOT } from "../../scripts/tool.ts";
import { readWholeBody } from "../../shared/whole-body.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("a body is read whole, however it is cut, and refused with its first byte over the limit", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 5_000 }), fc.integer({ min: 1, max: 700 }), async (bytes, size) => {
      const parts = cut(bytes, size);
      for (const limit of [bytes.length, bytes.length + 1, 10_000]) {
        const whole = await readWholeBody(streamOf(parts).stream, limit);
        expect(whole.ok && Buffer.compare(whole.bytes, bytes)).toBe(0);
      }
      if (bytes.length === 0) return;
      expect(await readWholeBody(streamOf(parts).stream, bytes.length - 1)).toEqual({ ok: false, why: "too-large" });
    }),
  );
});

test("there is no body where there is none", async () => {
  expect(await readWholeBody(null, 0)).toEqual({ ok: true, bytes: new Uint8Array() });
});

test("what is over the limit is not read on: the stream is cancelled, and nothing more is pulled", async () => {
  const endless = streamOf(Array.from({ length: 1_000 }, () => new Uint8Array(1_000)));
  expect(await readWholeBody(endless.stream, 10_000)).toEqual({ ok: false, why: "too-large" });
  expect(endless.isCancelled()).toBe(true);
  expect(endless.pulled()).toBeLessThan(20);
});

test("a body that breaks off is no fault of ours", async () => {
  const stream = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.error(new Error("Network connection lost.")),
  });
  expect(await readWholeBody(stream, 10)).toEqual({ ok: false, why: "broken-off" });
});

test("a body that says a byte now and then is ended when its time is over, not before", async () => {
  const { stream, say, isCancelled } = openStream();
  const answer = readBody(request(stream), { limit: 1_000, ms: 10_000 });
  let status = 0;
  void answer.then((outcome) => (status = outcome.ok ? 200 : outcome.problem.status));
  for (let at = 0; at < 9_999; at += 1_111) {
    say("x");
    await vi.advanceTimersByTimeAsync(1_111);
  }
  expect(status).toBe(0);
  await vi.advanceTimersByTimeAsync(1);
  expect(await answer).toMatchObject({ ok: false, problem: { status: 408, code: "body-too-slow" } });
  expect(isCancelled()).toBe(true);
  expect(vi.getTimerCount()).toBe(0);
});

test.each<[string, string | Uint8Array, Record<string, string>, number | string]>([
  ["what fits", "é", {}, "é"],
  ["a byte order mark", "\ufeff{}", {}, "{}"],
  ["as much as there may be", "x".repeat(100), {}, "x".repeat(100)],
  ["a byte too many", "x".repeat(101), {}, 413],
  ["characters that are few and bytes that are many", "é".repeat(51), {}, 413],
  ["a length that is too large", "x", { "content-length": "101" }, 413],
  ["a length that is a lie", "x".repeat(101), { "content-length": "5" }, 413],
  ["a length that is none", "x", { "content-length": "x" }, "x"],
  ["bytes that are not UTF-8", new Uint8Array([0x22, 0xff, 0x22]), {}, 400],
  ["half a character", new Uint8Array([0xc3]), {}, 400],
])("of %s", async (_, body, headers, expected) => {
  const { stream } = streamOf([Buffer.from(body)]);
  const outcome = await readBody(request(stream, headers), { limit: 100, ms: 1_000 });
  expect(outcome.ok ? outcome.value : outcome.problem.status).toBe(expected);
  expect(vi.getTimerCount()).toBe(0);
});

test("beyond their number, the body that has been open longest gives way to the newest", async () => {
  const rule: BodyRule = { ...ADMIN_BODY, openBodies: new OpenBodies(2) };
  const open = () => {
    const { stream, say, close } = openStream();
    return { say, close, answer: readBody(request(stream), rule) };
  };
  const [first, second, third] = [open(), open(), open()];
  expect(await first.answer).toMatchObject({ ok: false, problem: { status: 503, code: "busy" } });
  second.say("two");
  second.close();
  expect(await second.answer).toEqual({ ok: true, value: "two" });
  // One has ended: there is room for another beside the third.
  const fourth = open();
  for (const [body, text] of [
    [third, "three"],
    [fourth, "four"],
  ] as const) {
    body.say(text);
    body.close();
    expect(await body.answer).toEqual({ ok: true, value: text });
  }
});

/** Files that read what they have made themselves. */
const OWN_BODIES = ["edge/relay/site/turn.ts"];

test("nothing reads a body to its end but what counts its bytes", () => {
  const files = globSync("{edge,link,cli,agent}/**/*.ts", { cwd: ROOT });
  expect(files.length).toBeGreaterThan(100);
  const readers = files.filter((file) =>
    /(?<!\bz)\.(?:text|json|arrayBuffer|formData|blob|bytes|parseBody)\(\)/.test(
      readFileSync(join(ROOT, file), "utf8"),
    ),
  );
  expect(readers).toEqual(OWN_BODIES);
});

function request(body: ReadableStream<Uint8Array>, headers: Record<string, string> = {}): Request {
  // Whatever a header says: a Request of Node's would not let it lie.
  return { headers: new Headers(headers), body } as Request;
}

function cut(bytes: Uint8Array, size: number): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += size) parts.push(bytes.slice(at, at + size));
  return parts;
}

/** A body of these parts, and how many were asked for. */
function streamOf(parts: readonly Uint8Array[]) {
  let next = 0;
  let cancelled = false;
  const stream = new ReadableStream<Uint8Array>(
    {
      pull: (controller) => {
        const part = parts[next];
        next += 1;
        if (part === undefined) controller.close();
        else controller.enqueue(part);
      },
      cancel: () => void (cancelled = true),
    },
    { highWaterMark: 0 },
  );
  return { stream, pulled: () => next, isCancelled: () => cancelled };
}

/** A body that says what it is told, and has no end unless it is told. */
function openStream() {
  let source: ReadableStreamDefaultController<Uint8Array> | undefined;
  let cancelled = false;
  const stream = new ReadableStream<Uint8Array>({
    start: (controller) => void (source = controller),
    cancel: () => void (cancelled = true),
  });
  return {
    stream,
    say: (text: string) => source?.enqueue(Buffer.from(text)),
    close: () => source?.close(),
    isCancelled: () => cancelled,
  };
}
