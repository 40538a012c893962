import v8 from "node:v8";
import vm from "node:vm";

/** Bytes received between two collections, each of about half a millisecond. */
const EVERY_BYTES = 2 * 1024 * 1024;

/**
 * One thread does it: others take longer to wake than the work takes. And what buffers hold may grow to four times the
 * heap, V8's own upper bound, before it marks everything: with the usual factor, a heap of 9 MB that has settled leaves
 * buffers 10 MB, less than what is on its way to a target, and it marks all of it twenty times a second.
 */
const FLAGS = ["--expose-gc", "--no-parallel-scavenge", "--heap-growing-percent=300"];

/**
 * Collects the young generation. Node allocates a buffer for each read and `ws` one for each message; they die at once,
 * but hold so little of V8's own memory that it looks for them only after 32 MiB, and then everywhere: half of an
 * agent's time under bulk.
 */
const collect = youngCollector();
let uncollected = 0;

/** Notes bytes received on lanes, and now and then gives back the memory they came in. */
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
    // Another engine, or not allowed: more work under bulk, and nothing else.
  }
  return () => {};
}
