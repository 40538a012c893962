/**
 * The other end of floor-worker.js: `ws` and sockets, and nothing else. Arguments: the edge's URL, bytes of a stream on their way
 * at most, then `PORT=HOST:PORT` for each target. Reads land where they are sent from, and masks are zero, as the agent's are over
 * loopback. Prints `ready`.
 */
import net from "node:net";
import WebSocket from "ws";

const MOST_READ = 256 * 1024;
/** Words of what was taken in each window. */
const REPORTS = 4;
/** Lanes that wait for a connection. */
const IDLE = 80;

const [edge = "", windowBytes = "", ...words] = process.argv.slice(2);
const window = Number(windowBytes);
const report = window / REPORTS;
const readBytes = Math.min(MOST_READ, report);
const targets = new Map(words.map((word) => word.split("=") as [string, string]));
const free: Buffer[] = [];
let waiting = 0;

function dial(): void {
  const lane = new WebSocket(edge, {
    perMessageDeflate: false,
    skipUTF8Validation: true,
    generateMask: (mask) => void mask.fill(0),
  });
  lane.on("open", () => {
    waiting += 1;
    if (waiting === IDLE) console.log("ready");
  });
  lane.on("error", () => {});
  lane.once("message", (port: Buffer) => {
    waiting -= 1;
    dial();
    carry(lane, targets.get(port.toString()) ?? "");
  });
}

function carry(lane: WebSocket, target: string): void {
  const [host = "", port = ""] = target.split(":");
  let sent = 0;
  let taken = 0;
  let landing = free.pop() ?? Buffer.allocUnsafeSlow(readBytes);
  const socket = net.connect({
    host,
    port: Number(port),
    allowHalfOpen: true,
    noDelay: true,
    onread: {
      buffer: () => (landing = free.pop() ?? Buffer.allocUnsafeSlow(readBytes)),
      callback: (count) => {
        const read = landing;
        lane.send(read.subarray(0, count), () => void free.push(read));
        sent += count;
        return sent < window;
      },
    },
  });
  socket.on("error", () => lane.close());
  socket.on("end", () => lane.send(new Uint8Array(0)));
  socket.on("close", () => lane.close());
  lane.on("close", () => socket.destroy());
  lane.on("message", (data: Buffer, isBinary) => {
    if (!isBinary) {
      sent -= report;
      if (sent < window) socket.resume();
    } else if (data.byteLength === 0) {
      socket.end();
    } else {
      socket.write(data, () => {
        taken += data.byteLength;
        for (; taken >= report; taken -= report) lane.send("taken");
      });
    }
  });
}

for (let index = 0; index < IDLE; index += 1) dial();
