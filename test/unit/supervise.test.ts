import { expect, onTestFinished, test, vi } from "vitest";
import type { Exit, WorkerdProcess } from "../../cli/serve/workerd-process.ts";
import { supervise, type Supervision } from "../../cli/serve/supervise.ts";

/** A workerd that ends when it is told to, or when a test says so. */
class FakeWorkerd implements WorkerdProcess {
  readonly pid = 1;
  readonly listening = Promise.resolve(new Map<string, number>());
  readonly #ended = Promise.withResolvers<Exit>();
  readonly ended = this.#ended.promise;
  isStopped = false;

  async stop(): Promise<void> {
    this.isStopped = true;
    this.end();
  }

  end(): void {
    this.#ended.resolve({ code: 1, signal: null });
  }
}

/** A supervised workerd under a clock of the test's. */
function launcher(parts: Partial<Supervision> = {}) {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const first = new FakeWorkerd();
  const started: FakeWorkerd[] = [];
  const start = async (): Promise<FakeWorkerd> => {
    const next = new FakeWorkerd();
    started.push(next);
    return next;
  };
  const stop = new AbortController();
  const lines: string[] = [];
  const supervised = {
    first,
    start,
    isAnswering: async () => true,
    restartReason: () => new Promise<string>(() => {}),
    ...parts,
  };
  const over = supervise(supervised, stop.signal, (_level, message) => void lines.push(message));
  return { first, started, lines, stop, over };
}

test("a workerd that ends is started again", async () => {
  const { first, started, stop, over } = launcher();
  first.end();
  await vi.advanceTimersByTimeAsync(500);
  expect(started).toHaveLength(1);
  stop.abort();
  await over;
  expect(started[0]?.isStopped).toBe(true);
});

test("a workerd that lives but no longer answers is ended and started again", async () => {
  let answers = false;
  const { first, started, lines, stop, over } = launcher({ isAnswering: async () => answers });
  await vi.advanceTimersByTimeAsync(14_000);
  expect(first.isStopped).toBe(false);
  await vi.advanceTimersByTimeAsync(2_000);
  answers = true;
  expect(first.isStopped).toBe(true);
  expect(started).toHaveLength(1);
  expect(lines).toContain("workerd does not answer; starting workerd again");
  await vi.advanceTimersByTimeAsync(60_000);
  expect(started).toHaveLength(1);
  stop.abort();
  await over;
});

test("one health check that fails is no reason", async () => {
  const answers = [false, false, true, false, false, true];
  const { first, stop, over } = launcher({ isAnswering: async () => answers.shift() ?? true });
  await vi.advanceTimersByTimeAsync(60_000);
  expect(first.isStopped).toBe(false);
  stop.abort();
  await over;
});

test("a wish to start anew is heeded once", async () => {
  const wishes = [Promise.resolve("the certificate was renewed")];
  const restartReason = () => wishes.shift() ?? new Promise<string>(() => {});
  const { first, started, stop, over } = launcher({ restartReason });
  await vi.advanceTimersByTimeAsync(0);
  expect(first.isStopped).toBe(true);
  expect(started).toHaveLength(1);
  stop.abort();
  await over;
});

test("a start that fails is tried again later", async () => {
  let attempts = 0;
  const start = async () => {
    attempts += 1;
    if (attempts < 3) throw new Error("no");
    return new FakeWorkerd();
  };
  const { first, stop, over } = launcher({ start });
  first.end();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(attempts).toBe(3);
  stop.abort();
  await over;
});
