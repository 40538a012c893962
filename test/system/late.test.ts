import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import type { AgentReport } from "../../agent/control/report.ts";
import type { StatusView } from "../../shared/rule/api.ts";
import { testEdge, type TestEdge } from "../support/edge.ts";
import { testAgent, type TestAgent } from "../support/lan.ts";
import { link } from "../support/link.ts";
import { loopback } from "../support/net.ts";

const EVERY_MS = 20;
const STOP_MS = 5_000;
const AROUND_MS = 2_000;
const DATAGRAM_BYTES = 172;
/** Milliseconds that none may take: a deadline of 100, and much for a machine that is shared. What waited for the stop takes up to STOP_MS. */
const LATEST_MS = 1_500;
/** Datagrams that may be lost with a connection that is replaced meanwhile, and are not counted. */
const UNCOUNTED = 15;

/** One way of a call: 50 datagrams a second, each with its number, when it was sent, and what shows that it is whole. */
class Way {
  sent = 0;
  readonly delays = new Map<number, number>();
  doubled = 0;
  broken = 0;

  next(): Buffer {
    this.sent += 1;
    const datagram = Buffer.alloc(DATAGRAM_BYTES, this.sent % 251);
    datagram.writeUInt32BE(this.sent, 0);
    datagram.writeDoubleBE(performance.now(), 4);
    return datagram;
  }

  take(datagram: Buffer): void {
    const number = datagram.readUInt32BE(0);
    const filler = datagram.subarray(12);
    if (datagram.byteLength !== DATAGRAM_BYTES || !filler.every((byte) => byte === number % 251)) this.broken += 1;
    if (this.delays.has(number)) this.doubled += 1;
    this.delays.set(number, performance.now() - datagram.readDoubleBE(4));
  }

  get late(): number {
    return [...this.delays.values()].filter((delay) => delay > LATEST_MS).length;
  }
}

async function bound(): Promise<Socket> {
  const socket = createSocket({ type: "udp4", recvBufferSize: 1 << 20 });
  socket.bind(0, loopback());
  await once(socket, "listening");
  return socket;
}

/** What all on the way say that they have dropped. */
async function dropped(edge: TestEdge, agent: TestAgent, metrics: string): Promise<number> {
  const { drops } = JSON.parse((await agent.ask("status", "--json")).stdout) as AgentReport;
  const scraped = await (await fetch(metrics)).text();
  const counts = [...scraped.matchAll(/datagrams_dropped_total\{reason="\w+"\} (\d+)/g)].map(([, count]) =>
    Number(count),
  );
  const relay = (await edge.json<StatusView>("status")).sites[0]?.droppedDatagrams ?? 0;
  return [...Object.values(drops), ...counts, relay].reduce((sum, count) => sum + count, 0);
}

test.each(["agent", "gateway", "edge", "path"] as const)(
  "while the %s stands still for five seconds, and after, datagrams arrive whole, once and in time, or are counted as dropped",
  async (which) => {
    await using edge = await testEdge({}, "--udp", "9000", "--metrics", `${loopback()}:0`);
    const [, metrics = ""] = await edge.serve.until(/"msg":"gateway: metrics","url":"([^"]+)"/);
    await using path = await link(edge.url);
    await using agent = await testAgent(edge, "--edge", path.url);
    const [inside, outside] = [await bound(), await bound()];
    await using stack = new AsyncDisposableStack();
    for (const socket of [inside, outside]) stack.defer(() => void socket.close());
    const target = inside.address();
    await edge.ok("map", "add", "9000/udp", "lab", `${target.address}:${target.port}`);
    await edge.serve.until(/"msg":"gateway: listening","endpoint":"9000\/udp"/);

    const [towards, back] = [new Way(), new Way()];
    let peer: { port: number; address: string } | undefined;
    inside.on("message", (datagram, from) => {
      peer = from;
      towards.take(datagram);
    });
    outside.on("message", (datagram) => back.take(datagram));
    const talking = setInterval(() => {
      outside.send(towards.next(), 9000, edge.host);
      if (peer !== undefined) inside.send(back.next(), peer.port, peer.address);
    }, EVERY_MS);
    stack.defer(() => clearInterval(talking));
    await expect.poll(() => back.delays.size, { timeout: 60_000 }).toBeGreaterThan(0);
    await pause(AROUND_MS);

    const said = (): number => towards.sent + back.sent;
    const saidBefore = said();
    let standing: NodeJS.Timeout | undefined;
    stack.defer(() => clearInterval(standing));
    const pid = { agent: agent.run.pid, gateway: edge.serve.pid, edge: edge.workerd, path: 0 }[which];
    if (pid === 0) path.blackhole();
    // Said again and again: the launcher lets a workerd that a signal has stopped go on as soon as it sees it.
    else standing = setInterval(() => process.kill(pid, "SIGSTOP"), 20);
    await pause(STOP_MS);
    clearInterval(standing);
    const saidMeanwhile = said() - saidBefore;
    if (pid === 0) path.heal();
    else process.kill(pid, "SIGCONT");
    const before = [towards.delays.size, back.delays.size];
    for (const [index, way] of [towards, back].entries())
      await expect.poll(() => way.delays.size, { timeout: 60_000 }).toBeGreaterThan((before[index] ?? 0) + 50);
    clearInterval(talking);
    await pause(AROUND_MS);

    expect([towards.late, back.late]).toEqual([0, 0]);
    expect([towards.broken, towards.doubled, back.broken, back.doubled]).toEqual([0, 0, 0, 0]);
    const lost = said() - towards.delays.size - back.delays.size;
    // Nearly all that was said meanwhile, both ways.
    expect(lost).toBeGreaterThan(0.75 * saidMeanwhile);
    const counted = await dropped(edge, agent, metrics);
    expect(counted).toBeLessThanOrEqual(lost);
    expect(counted).toBeGreaterThanOrEqual(lost - UNCOUNTED);
  },
);
