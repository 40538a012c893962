import http, { type IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { clean } from "../../shared/text.ts";
import { VERSION } from "../../shared/wire/version.ts";
import { codeOf, DialError, retryableFault, SLOW_MS, type ProxyFault } from "../fault.ts";
import type { HttpProxy } from "./proxy.ts";
import { within } from "./socket.ts";

/** Milliseconds until a refused password is tried again: directories lock an account after a few wrong ones within half an hour. */
const LOGIN_MS = 300_000;
const LESS_THAN = 0x3c;

/**
 * Asks a proxy, over a connection to it, for a tunnel to `authority` (HOST:PORT) by CONNECT. Bytes of the edge that came with the
 * proxy's answer can still be read from the socket. Throws DialError, also when `signal` aborts; then the socket is destroyed.
 */
export async function tunnel(
  socket: Socket,
  proxy: HttpProxy,
  authority: string,
  signal: AbortSignal,
): Promise<Socket> {
  const { answer, head } = await within(signal, socket, proxy.name, sendConnect(socket, proxy, authority)).catch(
    (error: unknown) => {
      socket.destroy();
      throw noAnswer(proxy, authority, error as Error);
    },
  );
  const refusal = refusalOf(proxy, authority, answer, head);
  if (refusal !== null) {
    socket.destroy();
    throw refusal;
  }
  if (head.length > 0) socket.unshift(head);
  return socket;
}

type Answered = { answer: IncomingMessage; head: Buffer };

function sendConnect(socket: Socket, proxy: HttpProxy, authority: string): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const request = http.request({
      // The parser bounds the head: 16 KiB.
      createConnection: () => socket,
      method: "CONNECT",
      path: authority,
      headers: {
        host: authority,
        "user-agent": `sallyport/${VERSION}`,
        "proxy-connection": "keep-alive",
        ...(proxy.authorization === null ? {} : { "proxy-authorization": proxy.authorization }),
      },
    });
    // Node would send `close`, and some proxies would then close the tunnel.
    request.removeHeader("connection");
    request.on("error", reject);
    // Node emits it for every answer to CONNECT, whatever its status.
    request.once("connect", (answer, _, head) => resolve({ answer, head }));
    request.end();
  });
}

/** Describes why a proxy gave no answer in HTTP. */
function noAnswer(proxy: HttpProxy, authority: string, error: Error): DialError {
  const code = codeOf(error);
  if (code.startsWith("HPE_"))
    return fault(
      "not-a-proxy",
      proxy,
      `does not answer in HTTP (${code})`,
      "check its port, and whether its URL begins with http:// or https://",
    );
  const what = code === "ETIMEDOUT" ? "did not answer in time" : `broke the connection off (${code})`;
  return fault(
    "proxy-unreachable",
    proxy,
    `${what} when it was asked for ${authority}`,
    "check that it is a proxy, and look into its log",
    0,
  );
}

/** Describes why an answer opens no tunnel; null if it opens one. */
function refusalOf(proxy: HttpProxy, authority: string, answer: IncomingMessage, head: Buffer): DialError | null {
  const { statusCode: status = 0, statusMessage = "", headers } = answer;
  const statusText = clean(`${status} ${statusMessage}`.trim(), 80);
  if (status === 407) return loginRefused(proxy, headers["proxy-authenticate"] ?? "");
  if (status === 401 || status === 403)
    return fault(
      "proxy-denied",
      proxy,
      `does not permit a connection to ${authority} (${statusText})`,
      `have it permit CONNECT to ${authority}; many permit port 443 only`,
    );
  if ([400, 404, 405, 501].includes(status))
    return fault(
      "not-a-proxy",
      proxy,
      `does not take CONNECT (${statusText})`,
      "check its URL: a web server answers like this",
    );
  if (status >= 500 || status === 429)
    return fault(
      "proxy-upstream",
      proxy,
      `could not reach ${authority} (${statusText})`,
      "check that the edge runs, and that the proxy resolves its name and may go there",
      0,
    );
  // A page instead of a tunnel: an edge sends no byte before it gets a request.
  const isPage = /html/.test(headers["content-type"] ?? "") || head[0] === LESS_THAN;
  if (status >= 200 && status < 300 && !isPage) return null;
  return fault(
    "not-a-proxy",
    proxy,
    `answers with a page or a redirect (${statusText}) instead of a tunnel to ${authority}`,
    "open a web page on this network: a captive portal may want a login; else check the proxy's URL",
  );
}

function loginRefused(proxy: HttpProxy, offered: string): DialError {
  const schemes = schemesOf(offered);
  if (!schemes.some((scheme) => scheme.toLowerCase() === "basic")) {
    const kinds = schemes.length === 0 ? "and does not say by what scheme" : `by ${schemes.join(" or ")} only`;
    return fault(
      "proxy-login",
      proxy,
      `wants a login (407) ${kinds}; Sallyport speaks Basic`,
      "have the proxy let this machine through without a login, or take Basic; or run a local proxy that speaks its scheme " +
        "(cntlm, px) and name that: --proxy http://127.0.0.1:3128",
    );
  }
  return proxy.authorization === null
    ? fault(
        "proxy-login",
        proxy,
        "wants a user and a password (407)",
        "put them into its URL, http://USER:PASSWORD@HOST:PORT, in a file for --proxy-file or in the variable",
      )
    : fault(
        "proxy-login",
        proxy,
        "does not accept this user and password (407)",
        "check both; in the URL, @ is %40, : is %3A, % is %25",
        LOGIN_MS,
      );
}

function fault(code: ProxyFault, proxy: HttpProxy, what: string, fix: string, afterMs = SLOW_MS): DialError {
  return new DialError(retryableFault(code, `${proxy.name} ${what}`, afterMs, fix));
}

/** Lists the schemes of Proxy-Authenticate. Node joins several headers by commas, which also occur in parameters and quoted strings. */
function schemesOf(header: string): string[] {
  return header
    .replace(/"(?:[^"\\]|\\.)*"/g, "")
    .split(",")
    .flatMap((part) => /^\s*([\w-]{1,40})(?=\s|$)(?!\s*=)/.exec(part)?.[1] ?? []);
}
