import net from "node:net";
import tls from "node:tls";
import type { Address } from "../../shared/address/address.ts";

/** Milliseconds for each step: an admin waits for the result. */
const STEP_MS = 5_000;
/** The most bytes read of an answer. */
const MAX_ANSWER_BYTES = 4 * 1024;

/** Connects to the first address that answers. Rejects with the error of the last one. */
export async function connectTo(addresses: readonly Address[], port: number): Promise<net.Socket> {
  let last: unknown = new Error("no address");
  for (const { text } of addresses) {
    const socket = net.connect({ host: text, port });
    try {
      await settled(socket, "connect");
      return socket;
    } catch (error) {
      last = error;
    }
  }
  throw last;
}

/** Opens TLS over a connection without judging the certificate. */
export async function secure(socket: net.Socket, host: string, ca: string | undefined): Promise<tls.TLSSocket> {
  const servername = net.isIP(host) === 0 ? { servername: host } : {};
  const secured = tls.connect({
    socket,
    // Without SNI, for an address, Node checks the certificate for this host.
    host,
    rejectUnauthorized: false,
    ...servername,
    ...(ca === undefined ? {} : { ca }),
  });
  await settled(secured, "secureConnect");
  return secured;
}

/** Sends `text`, and resolves with what comes back within `ms`, up to the first read with a line break, or the end. */
export async function exchange(socket: net.Socket, text: string, ms: number): Promise<string> {
  return new Promise((resolve) => {
    let answer = "";
    const done = (): void => {
      clearTimeout(timer);
      socket.off("data", take);
      resolve(answer);
    };
    const take = (bytes: Buffer): void => {
      answer += bytes.toString("latin1");
      if (answer.length >= MAX_ANSWER_BYTES || answer.includes("\n")) done();
    };
    const timer = setTimeout(done, ms);
    socket.on("data", take).once("end", done).once("error", done).once("close", done);
    if (text !== "") socket.write(text);
  });
}

function settled(socket: net.Socket, event: "connect" | "secureConnect"): Promise<void> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => {
      socket.destroy();
      reject(Object.assign(new Error(`no answer in ${STEP_MS / 1000} s`), { code: "ETIMEDOUT" }));
    }, STEP_MS);
    const over = (settle: () => void) => () => {
      clearTimeout(late);
      settle();
    };
    socket.once(event, over(resolve));
    socket.on("error", (error) => over(() => reject(error))());
    socket.once(
      "close",
      over(() => reject(Object.assign(new Error("broken off"), { code: "ECONNRESET" }))),
    );
  });
}
