import { WebSocketServer } from "ws";
import { httpOrigin, type HttpOrigin } from "./http.ts";

const EVERY_MS = 50;

/** A web service whose responses and WebSockets never end: events, and messages, for ever. */
export async function endlessOrigin(): Promise<HttpOrigin> {
  const origin = await httpOrigin((_, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    const timer = setInterval(() => response.write("data: more\n\n"), EVERY_MS);
    response.on("close", () => clearInterval(timer));
  });
  new WebSocketServer({ server: origin.server }).on("connection", (socket) => {
    const timer = setInterval(() => socket.send("more"), EVERY_MS);
    socket.on("close", () => clearInterval(timer)).on("error", () => undefined);
  });
  return origin;
}
