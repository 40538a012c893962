import type { Socket } from "node:dgram";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { needs } from "../support/debian.ts";
import { publicSite } from "../support/gateway-site.ts";
import { loopback } from "../support/net.ts";
import { udpServer, UdpVisitor } from "../support/peers.ts";
import { run } from "../support/run.ts";

const PACKETS = 100;
const EVERY_MS = 20;
/** Of a hundred: what is late on a busy machine is dropped, and voice can bear it. */
const MOST_LOST = 5;

test("RTP through a range, both ways at once: every packet is the one that was sent, in order", async () => {
  const target = loopback();
  await using edge = await publicSite({ "10000-10019/udp": `${target}:20000-20019` });
  await using stack = new AsyncDisposableStack();
  const talks = Array.from({ length: 10 }, async (_, call) => {
    const port = 10_000 + 2 * call;
    const heardInside: Buffer[] = [];
    let back: (packet: Buffer) => void = () => undefined;
    stack.use(
      await udpServer(target, port + 10_000, (socket: Socket) => {
        socket.on("message", (packet, peer) => {
          back = (bytes) => socket.send(bytes, peer.port, peer.address);
          heardInside.push(packet);
          if (packet.byteLength === 1) back(packet);
        });
      }),
    );
    const visitor = stack.use(new UdpVisitor({ host: edge.host, port }));
    // Opens the flow; RTP's users repeat themselves until somebody is there.
    await visitor.ask(Buffer.alloc(1));
    const [sentIn, sentOut] = [packets(1_000 + call), packets(2_000 + call)];
    for (let index = 0; index < PACKETS; index += 1) {
      visitor.send(sentIn[index] as Buffer);
      back(sentOut[index] as Buffer);
      await sleep(EVERY_MS);
    }
    await sleep(1_000);
    compare(heardInside, sentIn);
    compare(visitor.received, sentOut);
  });
  await Promise.all(talks);
});

test("SIPp sends back what a caller says in RTP, packet by packet", async (context) => {
  await needs(context, "sip-tester");
  const target = loopback();
  const answering = ["-sn", "uas", "-i", target, "-p", "5060", "-mi", target, "-mp", "16000", "-rtp_echo", "-nostdin"];
  await using _callee = run("sipp", answering, { interactive: true, env: { TERM: "dumb" } });
  await using edge = await publicSite({ "16000-16003/udp": `${target}:16000-16003` });
  await using visitor = new UdpVisitor({ host: edge.host, port: 16_000 });
  const sent = packets(3_000);
  await visitor.ask(sent[0] as Buffer);
  for (const packet of sent) {
    visitor.send(packet);
    await sleep(EVERY_MS);
  }
  await sleep(1_000);
  compare(visitor.received, sent);
});

/** 172 bytes each, as G.711 has them: version 2, payload type 0, their number, time and source, and 160 samples of their own. */
function packets(source: number): Buffer[] {
  return Array.from({ length: PACKETS }, (_, sequence) => {
    const packet = Buffer.alloc(172, (sequence * 7 + source) % 256);
    packet.writeUInt16BE(0x8000, 0);
    packet.writeUInt16BE(sequence, 2);
    packet.writeUInt32BE(sequence * 160, 4);
    packet.writeUInt32BE(source, 8);
    return packet;
  });
}

/** What was heard is what was sent, byte for byte and in order, but for a few that may be missing. */
function compare(heard: readonly Buffer[], sent: readonly Buffer[]): void {
  // What opened the flow, and was perhaps said twice, is no part of the talk.
  const numbers = new Set<number>();
  const talk = heard.filter(
    (packet) => packet.byteLength > 1 && numbers.size < numbers.add(packet.readUInt16BE(2)).size,
  );
  const expected = sent.filter((packet) => numbers.has(packet.readUInt16BE(2)));
  expect(talk.map((packet) => packet.toString("hex"))).toEqual(expected.map((packet) => packet.toString("hex")));
  expect(sent.length - talk.length).toBeLessThanOrEqual(MOST_LOST);
}
