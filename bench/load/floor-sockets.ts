/**
 * Sockets of Node and nothing else. Arguments: `accept HOST PORT` takes connections; `dial HOST PORT` makes as many as the number
 * that each line of standard input says. Prints `ready`, and `dialled` after each line.
 */
import net from "node:net";
import { createInterface } from "node:readline";

/** Dials at once. */
const AT_ONCE = 50;

const [role = "", host = "", port = ""] = process.argv.slice(2);
const held: net.Socket[] = [];

function dial(): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host, port: Number(port), noDelay: true }, resolve);
    socket.on("error", reject);
    held.push(socket);
  });
}

if (role === "accept") {
  const server = net.createServer({ noDelay: true }, (socket) => void held.push(socket.on("error", () => {})));
  server.listen({ host, port: Number(port), backlog: 4096 }, () => console.log("ready"));
} else {
  console.log("ready");
  for await (const line of createInterface(process.stdin)) {
    for (let left = Number(line); left > 0; left -= AT_ONCE)
      await Promise.all(Array.from({ length: Math.min(left, AT_ONCE) }, dial));
    console.log(`dialled ${line}`);
  }
}
