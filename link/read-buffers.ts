import v8 from "node:v8";
import vm from "node:vm";

/** Bytes received between two collections, each of about half a millisecond. */
const EVERY_BYTES = 2 * 1024 * 1024;

/**
 * V8's flags. One thread collects, because waking others takes longer than the work. And buffers may grow to four times the
 * heap, V8's own upper bound, before V8 marks everything: with the default factor, a heap of 9 MB that has settled leaves
 * buffers 10 MB, less than is in flight to a target, and V8 marks everything twenty times a second.
 */
const FLAGS = ["--expose-gc", "--no-parallel-scavenge", "--heap-growing-percent=300"];

/**
 * Collects V8's young generation. Node allocates a buffer for each read and `ws` one for each message. They are garbage at
 * once, but hold so little of V8's own memory that V8 collects them only after 32 MiB, and then with the whole heap: half of
 * an agent's time under bulk.
 */
const collect = youngCollector();
let uncollected = 0;

/** Counts bytes received on lanes, and frees the buffers they came in after each EVERY_BYTES. */
export function collectReadBuffers(bytes: number): void {
  uncollected += bytes;
  if (uncollected < EVERY_BYTES) return;
  uncollected = 0;
  collect({ type: "minor" });
}

function youngCollector(): (options: { type: "minor" }) => void {
  try {
    for (const flag of FLAGS) v8.setFlagsFromString(flag);
    const found: unknown = vm.runInNewContext("gc");
    if (typeof found === "function") return found as ReturnType<typeof youngCollector>;
  } catch {
    // Another engine, or flags are not allowed: bulk only takes more work.
  }
  return () => {};
}
