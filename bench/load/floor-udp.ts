/**
 * The two ends of floor-udp-worker.js: datagram sockets, `ws`, and nothing else. Arguments: `gateway` or `agent`, the edge's URL, and
 * where it listens or what it sends to, as `HOST:PORT`. What comes in one turn leaves in one message, as ours does. Prints `ready`.
 */
import dgram from "node:dgram";
import WebSocket from "ws";

/** What the kernel holds of a burst, as of ours. */
const SOCKET_BUFFER = 1024 * 1024;
/** Number of the flow and length, before each datagram. */
const HEAD = 4;

const [role = "", edge = "", address = ""] = process.argv.slice(2);
const [host = "", port = ""] = address.split(":");
const lane = new WebSocket(`${edge}/${role}`, {
  perMessageDeflate: false,
  skipUTF8Validation: true,
  generateMask: (mask) => void mask.fill(0),
});
let gathered: Buffer[] = [];

function gather(flow: number, bytes: Buffer): void {
  const head = Buffer.allocUnsafe(HEAD);
  head.writeUInt16BE(flow);
  head.writeUInt16BE(bytes.byteLength, 2);
  if (gathered.push(head, bytes) > 2) return;
  setImmediate(() => {
    lane.send(Buffer.concat(gathered));
    gathered = [];
  });
}

lane.on("message", (message: Buffer) => {
  for (let at = 0; at < message.byteLength;) {
    const end = at + HEAD + message.readUInt16BE(at + 2);
    take(message.readUInt16BE(at), message.subarray(at + HEAD, end));
    at = end;
  }
});

const take = role === "gateway" ? gateway() : agent();
lane.on("open", () => console.log("ready"));

/** A flow for each peer. */
function gateway(): (flow: number, bytes: Buffer) => void {
  const numbers = new Map<string, number>();
  const peers: dgram.RemoteInfo[] = [];
  const socket = dgram.createSocket({ type: "udp4", recvBufferSize: SOCKET_BUFFER, sendBufferSize: SOCKET_BUFFER });
  socket.bind(Number(port), host);
  socket.on("message", (bytes, from) => {
    const peer = `${from.address}:${from.port}`;
    const flow = numbers.get(peer) ?? peers.push(from) - 1;
    numbers.set(peer, flow);
    gather(flow, bytes);
  });
  return (flow, bytes) => {
    const peer = peers[flow];
    if (peer !== undefined) socket.send(bytes, peer.port, peer.address);
  };
}

/** A connected socket for each flow. */
function agent(): (flow: number, bytes: Buffer) => void {
  const sockets = new Map<number, Promise<dgram.Socket>>();
  const open = (flow: number): Promise<dgram.Socket> =>
    new Promise((resolve) => {
      const socket = dgram.createSocket("udp4");
      socket.on("message", (bytes) => gather(flow, bytes)).on("error", () => {});
      socket.connect(Number(port), host, () => resolve(socket));
    });
  return (flow, bytes) => {
    let socket = sockets.get(flow);
    if (socket === undefined) sockets.set(flow, (socket = open(flow)));
    void socket.then((opened) => opened.send(bytes));
  };
}
