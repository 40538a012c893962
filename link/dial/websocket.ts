import type { ClientRequestArgs } from "node:http";
import WebSocket from "ws";
import { isLoopbackHost } from "../../shared/address/edge-url.ts";
import { MAX_CONTROL, MAX_FRAME } from "../../shared/wire/limits.ts";
import { faultOfUpgrade, type LinkFault } from "../fault.ts";
import type { Dialler } from "./dialler.ts";
import { unbracketed } from "./no-proxy.ts";

const HANDSHAKE_TIMEOUT_MS = 10_000;
/** Characters of an error page that are searched for its reason. */
const MAX_PAGE = 2_000;

/**
 * Opens the WebSocket of a lane. Masking costs two passes over every byte; over TLS or loopback it protects nothing (RFC 6455
 * section 10.3 is about plain-text proxies), so the mask is zero there, which both ends skip.
 */
export function openSocket(dialler: Dialler, url: URL, token: string): WebSocket {
  const over = new AbortController();
  const unmasked = url.protocol === "wss:" || isLoopbackHost(unbracketed(url.hostname));
  const createConnection: ClientRequestArgs["createConnection"] = (_options, dialled) => {
    dialler.connect(url, over.signal).then(
      // `ws` removes the socket's time-out after the handshake.
      (connection) => dialled(null, connection.setTimeout(HANDSHAKE_TIMEOUT_MS)),
      (error: unknown) => dialled(error as Error, undefined as never),
    );
    return undefined;
  };
  const socket = new WebSocket(url, "sallyport.v1", {
    headers: { authorization: `Bearer ${token}` },
    perMessageDeflate: false,
    maxPayload: MAX_FRAME + MAX_CONTROL,
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    skipUTF8Validation: true,
    // A redirect could carry the token to another host.
    followRedirects: false,
    ...(unmasked ? { generateMask: (mask: Buffer) => void mask.fill(0) } : {}),
    createConnection,
  });
  socket.binaryType = "nodebuffer";
  socket.once("close", () => over.abort());
  return socket;
}

/** Calls `report` with the reason if the edge, or a proxy before it, does not open the WebSocket. */
export function onRefusal(socket: WebSocket, report: (fault: LinkFault) => void): void {
  socket.once("unexpected-response", (request, response) => {
    let page = "";
    response.on("data", (chunk: Buffer) => (page += page.length < MAX_PAGE ? chunk.toString() : ""));
    response.on("end", () => {
      request.destroy();
      report(faultOfUpgrade(response.statusCode ?? 0, page, response.headers["retry-after"]));
    });
  });
}
