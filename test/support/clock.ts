import { closeSync, openSync, writeFileSync, writeSync } from "node:fs";
import { chmod } from "node:fs/promises";
import { join } from "node:path";
import type { TestContext } from "vitest";
import { findWorkerd } from "../../cli/serve/find-workerd.ts";
import { execute } from "./run.ts";

/**
 * A library that adds so many seconds to the time of day, and to no other clock, of whoever is started with it. Debian's faketime
 * does the same for most programs, but workerd's allocator waits for itself in it.
 */
const SHIM = `
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static volatile int64_t none;
static volatile int64_t *seconds = &none;
__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("TEST_CLOCK");
  int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0) return;
  void *at = mmap(0, 8, PROT_READ, MAP_SHARED, file, 0);
  if (at != MAP_FAILED) seconds = at;
  close(file);
}
int clock_gettime(clockid_t clock, struct timespec *at) {
  int failed = syscall(SYS_clock_gettime, clock, at);
  if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) at->tv_sec += *seconds;
  return failed;
}
int gettimeofday(struct timeval *restrict at, void *restrict zone) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  at->tv_sec = now.tv_sec;
  at->tv_usec = now.tv_nsec / 1000;
  return 0;
}
time_t time(time_t *at) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (at) *at = now.tv_sec;
  return now.tv_sec;
}
`;

/** A clock of its own for programs, which can be set while they run. */
export interface Clock {
  /** What a program is started with to go by this clock. */
  readonly env: Readonly<Record<string, string>>;
  /** The same for `serve`, whose workerd is given no environment. */
  readonly edgeEnv: Readonly<Record<string, string>>;
  /** Sets it so many seconds ahead of this machine's. */
  set(seconds: number): void;
}

/** Makes a clock in a folder. Without a C compiler the test is skipped, and says so. */
export async function testClock(context: TestContext, folder: string): Promise<Clock> {
  const [source, library, file, workerd] = ["clock.c", "clock.so", "clock", "workerd"].map((name) =>
    join(folder, name),
  );
  writeFileSync(source ?? "", SHIM);
  const made = await execute("cc", ["-shared", "-fPIC", "-O1", "-o", library ?? "", source ?? ""]).catch(
    () => undefined,
  );
  if (made?.code !== 0) {
    console.warn(`SKIPPED: ${context.task.name}: needs a C compiler: ${made?.stderr ?? "no cc"}`);
    return context.skip("needs a C compiler");
  }
  const set = (seconds: number): void => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(seconds));
    // In place: whoever has mapped the file sees it at once.
    const handle = openSync(file ?? "", "r+");
    writeSync(handle, bytes, 0, 8, 0);
    closeSync(handle);
  };
  writeFileSync(file ?? "", Buffer.alloc(8));
  const env = { LD_PRELOAD: library ?? "", TEST_CLOCK: file ?? "" };
  const words = Object.entries(env).map(([name, value]) => `${name}='${value}'`);
  const real = findWorkerd({}, () => undefined);
  writeFileSync(workerd ?? "", `#!/bin/sh\nexec env ${words.join(" ")} '${real}' "$@"\n`);
  await chmod(workerd ?? "", 0o755);
  return { env, edgeEnv: { ...env, SALLYPORT_WORKERD: workerd ?? "" }, set };
}
