/** Visitors or targets of a test, inside a network namespace: a program of its own, told what to do over Node's IPC channel. */
import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { connect, createServer, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { clock, FlowEnd, flowOf } from "./flow-end.ts";
import type { Answer, Command, Heard, Manner, Place, Sight } from "./messages.ts";
import { StreamEnd } from "./stream-end.ts";

/** A visitor's first bytes: its id and how it speaks. */
const HEADER = 5;
const MANNERS: readonly Manner[] = ["echo", "bulk", "idle"];

const streams = new Map<number, StreamEnd>();
const flows = new Map<number, FlowEnd>();
const heard: Heard[] = [];

process.on("message", ({ number, command }: { number: number; command: Command }) => {
  obey(command).then(
    (answer) => process.send?.({ number, answer }),
    (error: unknown) => process.send?.({ number, error: String(error) }),
  );
});
// The test is gone.
process.on("disconnect", () => process.exit());

async function obey(command: Command): Promise<Answer> {
  switch (command.do) {
    case "serve":
      await serveStreams(command.at);
      await serveFlows(command.at);
      return null;
    case "open":
      open(command.id, command.at, command.manner);
      return null;
    case "call":
      await call(command.id, command.at);
      return null;
    case "say":
      for (const id of command.ids) streams.get(id)?.say();
      return null;
    case "finish":
      for (const id of command.ids) {
        streams.get(id)?.finish();
        flows.get(id)?.silence();
      }
      return null;
    case "look":
      return look();
    case "hook":
      await hook(command.at);
      return null;
    case "heard":
      return heard;
    case "fetch":
      return (await fetch(command.url)).text();
    case "perform": {
      // Most programs have no need of it, and it takes a while to load.
      const { perform } = await import("../commands.ts");
      return perform(command.words, { ...process.env, SALLYPORT_CONFIG_DIR: command.logins });
    }
  }
}

function look(): Sight {
  return {
    at: clock(),
    streams: [...streams.values()].map(({ view }) => view),
    flows: [...flows.values()].map(({ view }) => view),
  };
}

function open(id: number, { host, port }: Place, manner: Manner): void {
  const socket = connect({ host, port, allowHalfOpen: true });
  const header = Buffer.alloc(HEADER);
  header.writeUInt32BE(id, 0);
  header.writeUInt8(MANNERS.indexOf(manner), 4);
  socket.write(header);
  const end = new StreamEnd(socket, id, manner, "visitor");
  streams.set(id, end);
  socket.on("data", (bytes: Buffer) => end.hear(bytes));
}

async function serveStreams({ host, port }: Place): Promise<void> {
  const server = createServer({ allowHalfOpen: true }, (socket) => void greet(socket));
  server.listen(port, host);
  await once(server, "listening");
}

/** Reads a visitor's header, then serves it. */
async function greet(socket: Socket): Promise<void> {
  socket.on("error", () => undefined);
  let header: Buffer | null = null;
  while ((header = socket.read(HEADER) as Buffer | null) === null) {
    if (socket.destroyed || socket.readableEnded) return void socket.destroy();
    await Promise.race([once(socket, "readable"), once(socket, "close")]).catch(() => undefined);
  }
  const end = new StreamEnd(socket, header.readUInt32BE(0), MANNERS[header.readUInt8(4)] ?? "idle", "target");
  streams.set(end.id, end);
  socket.removeAllListeners("readable");
  socket.on("data", (bytes: Buffer) => end.hear(bytes));
  socket.resume();
}

function udpSocket(): UdpSocket {
  return createSocket({ type: "udp4", recvBufferSize: 1 << 20 }).on("error", () => undefined);
}

async function call(id: number, { host, port }: Place): Promise<void> {
  const socket = udpSocket();
  socket.bind(0);
  await once(socket, "listening");
  const end = new FlowEnd(id, (bytes) => socket.send(bytes, port, host));
  flows.set(id, end);
  socket.on("message", (bytes, peer) => end.hear(bytes, `${peer.address}:${peer.port}`));
}

/** Each flow speaks to where it was heard from last. */
async function serveFlows({ host, port }: Place): Promise<void> {
  const socket = udpSocket();
  const peers = new Map<number, Place>();
  socket.on("message", (bytes, peer) => {
    const id = flowOf(bytes);
    peers.set(id, { host: peer.address, port: peer.port });
    const end = flows.get(id) ?? new FlowEnd(id, (said) => say(id, said));
    flows.set(id, end);
    end.hear(bytes, `${peer.address}:${peer.port}`);
  });
  const say = (id: number, bytes: Buffer): void => {
    const to = peers.get(id);
    if (to !== undefined) socket.send(bytes, to.port, to.host);
  };
  socket.bind(port, host);
  await once(socket, "listening");
}

async function hook({ host, port }: Place): Promise<void> {
  const server = createHttpServer((request, response) => {
    void text(request).then((body) => {
      heard.push({ at: clock(), body });
      response.end();
    });
  });
  server.listen(port, host);
  await once(server, "listening");
}
