import { once } from "node:events";
import { request, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import WebSocket from "ws";
import { UdpVisitor } from "./peers.ts";

/** Something that a visitor has open, and that works; `gone` is fulfilled when it has ended, however that was. */
export type Held = { readonly gone: Promise<void>; readonly close: () => void };

type At = { readonly host: string; readonly port: number };
/** At one of the edge's hosts: `url` is the edge's, `host` what is asked for. */
type Asked = { readonly url: string; readonly host: string; readonly headers?: Record<string, string> };

/** A TCP connection to something that says back what it hears. Rejects when nothing comes back. */
export async function heldTcp({ host, port }: At, from?: string): Promise<Held> {
  const socket = connect({ host, port, ...(from === undefined ? {} : { localAddress: from }) });
  const gone = new Promise<void>((resolve) => void socket.on("error", () => undefined).on("close", () => resolve()));
  socket.write("hello");
  await Promise.race([heard(socket, "data"), gone.then(() => refused("the connection"))]);
  socket.resume();
  return { gone, close: () => void socket.destroy() };
}

/** Milliseconds between two datagrams, and how many in a row are not answered when a flow has ended. */
const ASK_MS = 100;
const UNANSWERED = 10;

/** A UDP flow to something that answers. Fulfilled once it does; a flow has no end but silence. */
export async function heldFlow(at: At, from?: string): Promise<Held> {
  const visitor = new UdpVisitor(at, from);
  await visitor.ask("hello");
  let unanswered = 0;
  visitor.socket.on("message", () => (unanswered = 0));
  const { promise: gone, resolve } = Promise.withResolvers<void>();
  const timer = setInterval(() => {
    unanswered += 1;
    if (unanswered > UNANSWERED) resolve();
    visitor.send("still there?");
  }, ASK_MS);
  const close = (): void => {
    clearInterval(timer);
    visitor.socket.close();
  };
  return { gone, close };
}

/** A response that never ends (server-sent events) and has begun. Rejects on any status but 200. */
export async function heldResponse({ url, host, headers = {} }: Asked, from?: string): Promise<Held> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const local = from === undefined ? {} : { localAddress: from };
  const sent = request(url, { agent: false, headers: { ...headers, host }, ...local }, resolve);
  sent.on("error", reject).end();
  const response = await promise;
  if (response.statusCode !== 200) return refused(`the request (${response.statusCode})`);
  const gone = new Promise<void>((end) => void response.on("error", () => undefined).on("close", () => end()));
  await once(response, "data");
  response.resume();
  return { gone, close: () => void sent.destroy() };
}

/** A WebSocket over which something comes, after a word if `says` is given. Rejects when nothing does. */
export async function heldSocket({ url, host, headers = {} }: Asked, from?: string, says?: string): Promise<Held> {
  const local = from === undefined ? {} : { localAddress: from };
  const socket = new WebSocket(url.replace("http", "ws"), { headers: { ...headers, host }, ...local });
  const gone = new Promise<void>((resolve) => void socket.on("error", () => undefined).on("close", () => resolve()));
  if (says !== undefined) socket.on("open", () => socket.send(Buffer.from(says)));
  await Promise.race([heard(socket, "message"), gone.then(() => refused("the WebSocket"))]);
  return { gone, close: () => socket.terminate() };
}

/** As `once`, but an error is somebody else's to tell. */
function heard(from: NodeJS.EventEmitter, event: string): Promise<void> {
  return new Promise((resolve) => void from.once(event, () => resolve()));
}

function refused(what: string): never {
  throw new Error(`${what} was refused`);
}
