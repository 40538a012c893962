import v8 from "node:v8";
import vm from "node:vm";

/** Bytes received between two collections: less than half of what makes V8 mark its whole heap. */
const EVERY_BYTES = 8 * 1024 * 1024;

/**
 * Collects the young generation, in about a millisecond. Node allocates a buffer for each read and `ws` one for each
 * message; they die at once, but hold so little of V8's own memory that it looks for them only after 32 MiB, and then
 * everywhere: half of an agent's time under bulk.
 */
const collect = youngCollector();
let since = 0;

/** Notes bytes received on lanes, and now and then gives back the memory they came in. */
export function releaseReads(bytes: number): void {
  since += bytes;
  if (since < EVERY_BYTES) return;
  since = 0;
  collect({ type: "minor" });
}

function youngCollector(): (options: { type: "minor" }) => void {
  try {
    v8.setFlagsFromString("--expose-gc");
    const found: unknown = vm.runInNewContext("gc");
    if (typeof found === "function") return found as ReturnType<typeof youngCollector>;
  } catch {
    // Another engine, or not allowed: more work under bulk, and nothing else.
  }
  return () => {};
}
