import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { clean } from "../../shared/text.ts";
import type { KnownService } from "./known-services.ts";

/** Milliseconds for a device of the same LAN to answer. */
const CONNECT_MS = 700;
const ANSWER_MS = 1_500;
const MAX_BYTES = 16 * 1024;

/** Connects to a port and describes its answer in a few words; "" if it only accepted the connection, null if nothing answers. */
export async function probe(host: string, { port, ask }: KnownService): Promise<string | null> {
  const socket = connect({ host, port });
  try {
    if (!(await settled(socket, "connect", CONNECT_MS))) return null;
    return await identify(socket, host, ask);
  } finally {
    socket.destroy();
  }
}

async function identify(socket: Socket, host: string, ask: KnownService["ask"]): Promise<string> {
  switch (ask) {
    case "none":
      return "";
    case "banner":
      return firstLine(await readAnswer(socket, ""));
    case "rtsp":
      return titleOf(await readAnswer(socket, `OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n`));
    case "http":
      return titleOf(await readAnswer(socket, request(host)));
    case "https": {
      // The certificate does not matter: no secret is sent.
      const tls = connectTls({ socket, rejectUnauthorized: false });
      return (await settled(tls, "secureConnect", ANSWER_MS)) ? titleOf(await readAnswer(tls, request(host))) : "";
    }
  }
}

function request(host: string): string {
  return `GET / HTTP/1.0\r\nHost: ${host}\r\nUser-Agent: sallyport-discover\r\nConnection: close\r\n\r\n`;
}

function settled(socket: Socket, event: "connect" | "secureConnect", ms: number): Promise<boolean> {
  return new Promise((resolve) => {
    socket.setTimeout(ms, () => resolve(false));
    socket.once("error", () => resolve(false));
    socket.once(event, () => resolve(true));
  });
}

/** Sends a question, if there is one, and reads the answer for ANSWER_MS at most; "" if none comes. */
function readAnswer(socket: Socket, question: string): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    const done = (): void => resolve(text);
    socket.setTimeout(ANSWER_MS, done);
    socket.once("error", done).once("close", done);
    socket.setEncoding("latin1").on("data", (chunk: string) => {
      text += chunk;
      if (text.length > MAX_BYTES || question === "" || text.includes("</title>")) done();
    });
    if (question !== "") socket.write(question);
  });
}

/** Returns the title of a page and the name of its server; without either, the first line. */
function titleOf(text: string): string {
  const title = /<title[^>]*>([^<]*)<\/title>/i.exec(text)?.[1]?.trim();
  const server = /^server:[ \t]*(.+)$/im.exec(text)?.[1];
  return clean([title, server?.trim()].filter((each) => each).join(", "), 80) || firstLine(text);
}

function firstLine(text: string): string {
  return clean(
    text
      .split(/[\r\n]/)[0]
      ?.replace(/[^\x20-\x7e]+/g, " ")
      .trim() ?? "",
    80,
  );
}
