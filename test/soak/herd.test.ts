import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import { Dialler } from "../../link/dial/dialler.ts";
import { Lanes } from "../../link/lanes.ts";
import { MAX_DATA } from "../../shared/wire/limits.ts";
import { PROTOCOL, VERSION } from "../../shared/wire/version.ts";
import { testEdge, type TestEdge } from "../support/edge.ts";
import { residentMiB } from "../support/process.ts";
import { record } from "../support/record.ts";

// A thousand agents at one edge, as far as an edge can tell: each has a token, an incarnation and three lanes of its own, and
// dials by the agent's own rules. All of them live in this process, which is the slower half on a machine of two processors.

const SITES = 50;
const AGENTS = 20;
const ALL = SITES * AGENTS;

test("a thousand agents that lose the edge at once are all back within the grace period, without a storm", async () => {
  await using edge = await testEdge();
  const tokens = await issue(edge);
  const herd = new Herd(edge.url, tokens);
  try {
    const began = performance.now();
    await herd.all();
    const first = { seconds: seconds(began), ...(await state(edge.workerd)) };
    const killed = performance.now();
    process.kill(edge.workerd, "SIGKILL");
    await herd.none();
    const dialledBefore = herd.attempts;
    await herd.all();
    const back = seconds(killed);
    const { arrivals } = herd;
    await pause(2_000);
    await record("herd", {
      agents: ALL,
      sites: SITES,
      first,
      back: {
        seconds: back,
        halfAfterSeconds: Math.round((arrivals[arrivals.length - ALL / 2]! - killed) / 100) / 10,
        mostInOneSecond: busiest(arrivals.slice(-ALL)),
        failedDials: herd.attempts - dialledBefore,
        reasons: herd.reasons,
        ...(await state(edge.workerd)),
      },
    });
    expect(back).toBeLessThan(60);
  } finally {
    await herd.stop();
  }
});

class Herd {
  /** When each came, in performance.now(). */
  readonly arrivals: number[] = [];
  /** Times that an agent was told how long to wait before it dials again. */
  attempts = 0;
  /** And why. */
  readonly reasons: Record<string, number> = {};
  readonly #stop = new AbortController();
  readonly #running: Promise<unknown>[];
  readonly #up = new Set<number>();

  constructor(url: string, tokens: readonly string[]) {
    this.#running = tokens.map((token, index) => {
      const lanes = new Lanes({
        url: new URL("/.sallyport/agent", url.replace("http", "ws")),
        dialler: () => new Dialler(),
        token: () => token,
        hello: () => ({
          protocol: PROTOCOL,
          kind: "agent",
          incarnation: randomBytes(16).toString("hex"),
          version: VERSION,
          frameBytes: MAX_DATA,
          features: [],
        }),
        waiting: () => false,
        frame: () => {},
        writable: () => {},
        up: () => {
          this.#up.add(index);
          this.arrivals.push(performance.now());
        },
        lost: () => {},
        down: (fault) => {
          this.reasons[fault.reason] = (this.reasons[fault.reason] ?? 0) + 1;
          this.#up.delete(index);
          this.attempts += 1;
        },
      });
      return lanes.run(this.#stop.signal);
    });
  }

  all(): Promise<void> {
    return this.#until(() => this.#up.size === ALL);
  }

  none(): Promise<void> {
    return this.#until(() => this.#up.size === 0);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#running);
  }

  async #until(condition: () => boolean): Promise<void> {
    while (!condition()) await pause(20);
  }
}

async function issue(edge: TestEdge): Promise<string[]> {
  const admin = await edge.ok("token", "admin");
  const post = async (path: string, body: unknown): Promise<unknown> => {
    const response = await edge.api("POST", path, admin, body);
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response.json();
  };
  const tokens: string[] = [];
  for (let site = 0; site < SITES; site += 1) {
    await post("/sites", { name: `site-${site}` });
    const issued = Array.from({ length: AGENTS }, () =>
      post("/tokens", { kind: "agent", site: `site-${site}`, local: true }),
    );
    for (const { token } of (await Promise.all(issued)) as { token: string }[]) tokens.push(token);
  }
  return tokens;
}

/** Most arrivals in any one second. */
function busiest(arrivals: readonly number[]): number {
  return Math.max(...arrivals.map((from) => arrivals.filter((at) => at >= from && at < from + 1_000).length));
}

function seconds(since: number): number {
  return Math.round((performance.now() - since) / 100) / 10;
}

async function state(pid: number): Promise<{ workerdCpuSeconds: number; workerdMiB: number }> {
  const fields = (await readFile(`/proc/${pid}/stat`, "utf8")).split(") ")[1]?.split(" ") ?? [];
  // User and system time, in hundredths of a second.
  return { workerdCpuSeconds: (Number(fields[11]) + Number(fields[12])) / 100, workerdMiB: await residentMiB(pid) };
}
