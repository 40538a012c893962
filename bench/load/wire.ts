/**
 * A wire between two TUN devices, as a process: every packet arrives so many milliseconds later, at no more than a rate,
 * and is lost when it would wait for longer than the wire is long. Words: milliseconds each way, bytes a second, the file
 * descriptors of both. Prints `ready`.
 */
import { read, writeSync } from "node:fs";
import { performance } from "node:perf_hooks";

const [delay = 0, rate = 1, near = 0, far = 0] = process.argv.slice(2).map(Number);
const perMs = rate / 1000;
/** A packet as the kernel hands it over, of up to 64 KiB: as large as a network card takes them, with their header. */
const MOST_BYTES = 66_000;

function carry(from: number, to: number): void {
  const held: { readonly bytes: Buffer; readonly at: number }[] = [];
  const buffer = Buffer.allocUnsafe(MOST_BYTES);
  let busyUntil = 0;
  let timer: NodeJS.Timeout | undefined;
  const pass = (): void => {
    const now = performance.now();
    const some = held.findIndex(({ at }) => at > now + 0.2);
    for (const { bytes } of held.splice(0, some < 0 ? held.length : some)) {
      try {
        writeSync(to, bytes);
      } catch {
        // The device is not up yet, or no longer: a wire that is cut.
      }
    }
    const [first] = held;
    timer = first === undefined ? undefined : setTimeout(pass, Math.max(0, first.at - now));
  };
  const next = (): void => {
    read(from, buffer, 0, MOST_BYTES, null, (error, length) => {
      if (error !== null) throw error;
      const now = performance.now();
      const begins = Math.max(now, busyUntil);
      if (begins - now <= 2 * delay) {
        busyUntil = begins + length / perMs;
        held.push({ bytes: Buffer.from(buffer.subarray(0, length)), at: busyUntil + delay });
        timer ??= setTimeout(pass, Math.max(0, busyUntil + delay - now));
      }
      next();
    });
  };
  next();
}

carry(near, far);
carry(far, near);
console.log("ready");
