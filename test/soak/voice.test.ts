import { loadavg } from "node:os";
import { expect, test } from "vitest";
import { needs } from "../support/debian.ts";
import { publicSite } from "../support/gateway-site.ts";
import { loopback } from "../support/net.ts";
import { record } from "../support/record.ts";
import { run } from "../support/run.ts";
import { placeCalls } from "../support/sipp.ts";
import { talk, type Leg } from "../support/voice.ts";

const CALLS = 100;
const SECONDS = 20;
const FIRST_PORT = 10_000;

test("a thousand calls at ten a second, over UDP and over TCP: none fails, and nothing is said twice", async (context) => {
  await needs(context, "sip-tester");
  const target = loopback();
  await using edge = await publicSite({ "5060/tcp+udp": `${target}:5060` });
  const figures: Record<string, object> = {};
  for (const [name, transport] of [
    ["udp", "u1"],
    ["tcp", "t1"],
  ] as const) {
    const calls = await placeCalls({ host: edge.host, port: 5060 }, { host: target, port: 5060 }, transport, 1_000);
    figures[name] = calls;
    expect({ name, ...calls }).toEqual({ name, code: 0, successful: 1_000, failed: 0, retransmitted: 0 });
  }
  await record("sip", { ...figures, load: loadavg()[0] });
});

test("a hundred calls through a range, alone and beside bulk: loss, delay and jitter are written down", async (context) => {
  await needs(context, "iperf3");
  const target = loopback();
  const last = FIRST_PORT + 2 * CALLS - 1;
  await using server = run("iperf3", ["-s", "-B", target, "-p", "5201", "--forceflush"]);
  await server.until(/Server listening/);
  await using edge = await publicSite({
    [`${FIRST_PORT}-${last}/udp`]: `${target}:${FIRST_PORT}-${last}`,
    "5201/tcp": `${target}:5201`,
  });
  // RTP has the even ports; the odd ones are RTCP's, mapped and never used.
  const lines = (host: string) =>
    Array.from({ length: CALLS }, (_, call) => {
      const port = FIRST_PORT + 2 * call;
      return { at: { host, port }, target: { host: target, port } };
    });
  const direct = await talk(lines(target), SECONDS);
  const alone = await talk(lines(edge.host), SECONDS);
  const words = ["-c", edge.host, "-p", "5201", "-P", "4", "-R", "-t", String(SECONDS + 30)];
  await using _bulk = run("iperf3", words);
  const besideBulk = await talk(lines(edge.host), SECONDS);
  const added = (leg: Leg, base: Leg) => ({
    delayP50: Math.round((leg.delayP50 - base.delayP50) * 100) / 100,
    delayP99: Math.round((leg.delayP99 - base.delayP99) * 100) / 100,
    jitterMean: Math.round((leg.jitterMean - base.jitterMean) * 100) / 100,
  });
  await record("voice", {
    what: `${CALLS} calls, 50 packets of 172 bytes a second each way, ${SECONDS} s; milliseconds, one way; in is towards the site`,
    load: loadavg()[0],
    direct,
    alone,
    besideBulk,
    added: {
      alone: { in: added(alone.in, direct.in), out: added(alone.out, direct.out) },
      besideBulk: { in: added(besideBulk.in, direct.in), out: added(besideBulk.out, direct.out) },
    },
  });
  // What is late is dropped, never delivered out of order; how much depends on the machine, and is written down.
  for (const { in: to, out } of [alone, besideBulk]) {
    expect([to.disordered, out.disordered]).toEqual([0, 0]);
    expect(to.lost).toBeLessThan(to.sent);
    expect(out.lost).toBeLessThan(out.sent);
  }
});
