import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { WebSocketServer, type WebSocket } from "ws";
import { LANES } from "../../link/lanes.ts";
import { AGENT, SYSTEM_NODE } from "../../scripts/tool.ts";
import { unbatch } from "../../shared/wire/batch.ts";
import { encodeControl } from "../../shared/wire/control.ts";
import { encodeFields } from "../../shared/wire/fields.ts";
import { decodeFrame, encodeFrame, HEADROOM, TYPE, type Frame } from "../../shared/wire/frame.ts";
import { encodeRequestHead, type RequestHead } from "../../shared/http/head.ts";
import { RECORD, RECORD_HEADER, writeRecordHeader } from "../../shared/http/record.ts";
import { decodeFailure, encodeDial, type Kind } from "../../shared/wire/open.ts";
import { loopback } from "./net.ts";
import { run, type Run } from "./run.ts";
import { tempDir } from "./temp-dir.ts";
import { unsignedToken } from "./unsigned-token.ts";
import { WELCOME } from "./welcome.ts";

export type HostileAgent = {
  /** The edge that its token names. */
  edge: string;
  targets?: string[];
  words?: string[];
};

/** Starts an agent of the site `lab`. It ends, and its folder goes, with the scope. */
export async function startAgent({ edge, targets, words }: HostileAgent, stack: AsyncDisposableStack): Promise<Run> {
  const { path } = stack.use(await tempDir());
  const file = join(path, "token");
  await writeFile(file, unsignedToken("lab", edge, targets), { mode: 0o600 });
  return againAgent(file, words, stack);
}

/** Starts an agent with the token in a file, whose folder is its state directory. */
export function againAgent(file: string, words: readonly string[] = [], stack: AsyncDisposableStack): Run {
  const options = { env: { XDG_STATE_HOME: dirname(file) } };
  return stack.use(run(SYSTEM_NODE, [AGENT, "--token-file", file, "--log", "json", ...words], options));
}

export type HostileWords = {
  /** What it says to a HELLO. */
  welcome?: () => object;
  /** What it answers to a RENEW; undefined: nothing. */
  renew?: () => object | undefined;
};

/** An edge that is none: it lets everybody in. */
export async function hostileRelay({ welcome = () => WELCOME, renew }: HostileWords = {}) {
  const host = loopback();
  const server = createServer().listen(0, host);
  await once(server, "listening");
  const url = `http://${host}:${(server.address() as AddressInfo).port}`;
  const sockets = new WebSocketServer({ server, handleProtocols: () => "sallyport.v1" });
  const lanes: WebSocket[] = [];
  const answers = new Map<number, (answer: string) => void>();
  const nudged = new Set<number>();
  const { promise: complete, resolve: completed } = Promise.withResolvers<void>();
  sockets.on("connection", (socket) => {
    socket.on("close", () => {
      if (lanes.includes(socket)) lanes.splice(lanes.indexOf(socket), 1);
    });
    socket.on("message", (data: Buffer, isBinary) => {
      if (!isBinary) return socket.send("pong");
      const frame = decodeFrame(data);
      if (frame.type === TYPE.HELLO) {
        socket.send(encodeControl(TYPE.WELCOME, welcome()));
        if (lanes.push(socket) === LANES) completed();
        return lanes.length > 1 ? undefined : socket.send(session());
      }
      const renewed = frame.type === TYPE.RENEW ? renew?.() : undefined;
      if (renewed !== undefined) socket.send(encodeControl(TYPE.RENEW, renewed));
      // Under load an agent's answers come several in one message.
      for (const each of frame.type === TYPE.BATCH ? unbatch(frame) : [frame]) heard(each);
      return undefined;
    });
  });
  function heard({ type, channel, stream, payload }: Frame): void {
    if (type === TYPE.NUDGE) nudged.add(channel);
    if (type === TYPE.ACCEPT) answers.get(stream)?.("accepted");
    if (type === TYPE.REJECT) answers.get(stream)?.(decodeFailure(payload).code);
    // An HTTP stream says why in a record of its own.
    const [code] = /target-[a-z]+|internal/.exec(Buffer.from(payload).toString("latin1")) ?? [];
    if (type === TYPE.DATA && code !== undefined) answers.get(stream)?.(code);
  }
  const say = (frame: Uint8Array): void => lanes[0]?.send(frame);
  let stream = 1_000;
  return {
    url,
    say,
    /** Resolves when the agent has all of its lanes. */
    complete,
    /** Channels whose callers the agent has asked to resume. */
    nudged,
    /** One of the data lanes breaks. */
    loseLane: () => lanes[1]?.terminate(),
    /** The other is ended, for this reason. */
    endLane: (code: number, reason: string) => lanes[2]?.close(code, reason),
    /** A new session on channel 0: whatever was there is over. */
    anew: () => say(session()),
    /** Tells the agent to dial; answers `accepted` or the code of its refusal. */
    dial: (target: string, kind: Kind, mapping = 1, patienceMs = 8_000): Promise<string> => {
      stream += 1;
      const { promise, resolve } = Promise.withResolvers<string>();
      answers.set(stream, resolve);
      const dial = {
        target,
        kind,
        mapping,
        endpoint: "8080/tcp",
        visitor: "192.0.2.1:5",
        options: "",
        token: "",
        grant: "",
        ref: "",
      };
      say(encodeFrame({ type: TYPE.DIAL, stream, offset: 16_384 }, encodeDial(dial)));
      // An HTTP target is dialled for a request.
      if (kind === "http") say(encodeFrame({ type: TYPE.DATA, stream }, wholeRequest()));
      // A dial that nobody answers is a failure with a name; it has far longer than it needs.
      const late = new Promise<string>((done) => void setTimeout(() => done("silence"), patienceMs).unref());
      return Promise.race([promise, late]);
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets.clients) socket.terminate();
      server.close();
      await once(server, "close");
    },
  };
}

/** SESSION of a caller that nobody has met. */
export function session(channel = 0): Uint8Array {
  return encodeFrame(
    { type: TYPE.SESSION, channel, offset: 1_000_000 },
    encodeFields({ 1: randomBytes(16), 2: randomBytes(32) }),
  );
}

/** The records of a request without a body. */
function wholeRequest(): Uint8Array {
  const chunk = encodeRequestHead(REQUEST, RECORD_HEADER);
  writeRecordHeader(chunk, chunk.byteLength - RECORD_HEADER, RECORD.END, 0);
  return chunk.subarray(HEADROOM);
}

const REQUEST: RequestHead = {
  method: "GET",
  path: "/",
  host: "camera.example",
  scheme: "http",
  headers: [],
  upgrade: false,
  framing: "none",
};
