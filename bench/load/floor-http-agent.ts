/** The other end of floor-http-worker.js: `ws` and `node:http`, and nothing else. Arguments: the edge's URL, the origin. Prints `ready`. */
import http from "node:http";
import WebSocket from "ws";

/** Its number, method, URL, and headers. */
type Asked = [id: number, method: string, url: string, headers: [string, string][]];

/** Those of one connection, not of a request: as any proxy must leave them out. */
const HOP_BY_HOP = new Set(["connection", "keep-alive", "transfer-encoding"]);

const [edge = "", origin = ""] = process.argv.slice(2);
const [host, port] = origin.split(":");
const agent = new http.Agent({ keepAlive: true });
const lane = new WebSocket(edge, {
  perMessageDeflate: false,
  skipUTF8Validation: true,
  generateMask: (mask) => void mask.fill(0),
});
lane.on("open", () => console.log("ready"));
lane.on("message", (message: Buffer) => {
  const [id, method, url, headers] = JSON.parse(message.toString()) as Asked;
  const { pathname, search } = new URL(url);
  const request = http.request(
    { host, port, agent, method, path: pathname + search, headers: Object.fromEntries(headers) },
    (response) => {
      const body: Buffer[] = [];
      response.on("data", (bytes: Buffer) => void body.push(bytes));
      response.on("end", () => answer(id, response, body));
    },
  );
  request.end();
});

function answer(id: number, { statusCode, rawHeaders }: http.IncomingMessage, body: readonly Buffer[]): void {
  const headers: string[][] = [];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? "";
    if (!HOP_BY_HOP.has(name.toLowerCase())) headers.push([name, rawHeaders[index + 1] ?? ""]);
  }
  const head = Buffer.from(JSON.stringify([id, statusCode, headers]));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(head.byteLength);
  lane.send(Buffer.concat([length, head, ...body]));
}
