/** The private servers of the benchmark, in one process: each takes `host:port` and does one thing. Prints `ready`. */
import net from "node:net";

const [host = "127.0.0.1", echoPort = "0", sourcePort = "0", sinkPort = "0"] = process.argv.slice(2);

/** Sends back what comes. */
const echo = net.createServer({ noDelay: true, allowHalfOpen: true }, (socket) =>
  socket.on("error", () => {}).pipe(socket),
);

/** Sends for ever; the first byte that comes says in what pieces: `1` tiny ones, anything else large. */
const source = net.createServer({ noDelay: true }, (socket) => {
  socket.on("error", () => {});
  socket.once("data", (order) => {
    const piece = Buffer.alloc(order[0] === 0x31 ? 1 : 65_536);
    let open = true;
    socket.on("close", () => (open = false));
    const fill = (): void => {
      // One write in a turn, or the kernel would gather tiny ones.
      if (!open || !socket.write(piece)) return;
      setImmediate(fill);
    };
    socket.on("drain", fill);
    fill();
  });
});

/** Takes a connection and never reads it. */
const sink = net.createServer({ pauseOnConnect: true }, (socket) => socket.on("error", () => {}));

for (const [server, port] of [
  [echo, echoPort],
  [source, sourcePort],
  [sink, sinkPort],
] as const) {
  await new Promise<void>((resolve) => server.listen({ host, port: Number(port), backlog: 4096 }, resolve));
}
console.log("ready");
