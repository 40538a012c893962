import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import net from "node:net";
import type { TLSSocket } from "node:tls";
import { troubleOf } from "../../link/dial/certificate.ts";
import type { TestAnswer } from "../../shared/rule/api.ts";
import { parseEndpoint, transports, type HttpEndpoint, type PortEndpoint } from "../../shared/address/endpoint.ts";
import { failed, notTested, passed, warned, type Hop } from "../../shared/rule/hop.ts";
import { known } from "../../shared/result.ts";
import { bracketed } from "../../shared/address/socket-address.ts";
import type { VantagePoint } from "./vantage-point.ts";

const TIMEOUT_MS = 10_000;
/** Milliseconds in which an edge that refuses a visitor has hung up. */
const REFUSAL_MS = 1_500;

/** Dials an endpoint as a visitor would, from this machine. */
export async function dialPublic(answer: TestAnswer, vantage: VantagePoint): Promise<Hop> {
  const endpoint = known(parseEndpoint(answer.endpoint));
  if (endpoint.kind === "service")
    return notTested(
      "public",
      "no-public-side",
      "It has no public port: it is reached with a token, by sallyport connect.",
    );
  if (endpoint.kind === "port" && answer.access === "token") {
    return notTested(
      "public",
      "no-public-side",
      "Its port is opened to nobody: it is reached with a token, by sallyport connect.",
    );
  }
  if (vantage.isEdge) {
    return notTested(
      "public",
      "edge-host",
      "This is the edge's own machine, and what is in front of it would not be seen: run it from elsewhere.",
    );
  }
  if (vantage.proxy !== null) {
    return notTested(
      "public",
      "proxy",
      `From here the way out is ${vantage.proxy.name}, which visitors do not take: run it from elsewhere.`,
    );
  }
  return endpoint.kind === "http" ? dialHttp(endpoint, answer) : dialPort(endpoint, vantage.host, answer);
}

async function dialPort(endpoint: PortEndpoint, host: string, answer: TestAnswer): Promise<Hop> {
  const where = `${bracketed(host)}:${endpoint.first}`;
  if (!transports(endpoint).includes("tcp"))
    return notTested("public", "udp", `${where} is UDP, which answers nothing but its own protocol.`);
  const began = performance.now();
  const socket = net.connect({ host, port: endpoint.first });
  try {
    await connected(socket);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "ETIMEDOUT";
    const fix =
      code === "ECONNREFUSED"
        ? "nothing listens there: is the port held by this edge (serve --tcp), or by a gateway elsewhere (--at HOST)?"
        : "a firewall in front of the edge may block it: allow TCP to that port";
    return failed(
      "public",
      code === "ECONNREFUSED" ? "public-refused" : "public-unreachable",
      `${where} can't be reached from here (${code}).`,
      fix,
    );
  }
  const ms = performance.now() - began;
  const isShut = await hangsUp(socket);
  socket.destroy();
  if (!isShut) return passed("public", `${where} takes connections.`, ms);
  const denied = answer.hops.find(({ hop, outcome }) => hop === "policy" && outcome !== "ok");
  const text = `${where} takes connections and hangs up at once`;
  return denied === undefined
    ? warned("public", "public-closed", `${text}: the hops below say why, or sallyport log does.`)
    : warned("public", "public-denied", `${text}, as its rules say for this address.`);
}

function connected(socket: net.Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy(Object.assign(new Error("no answer"), { code: "ETIMEDOUT" })));
    socket.on("error", reject).once("connect", () => resolve());
  });
}

/** True when the connection ends without a byte. */
function hangsUp(socket: net.Socket): Promise<boolean> {
  return new Promise((resolve) => {
    const quiet = setTimeout(() => resolve(false), REFUSAL_MS);
    const over = (isShut: boolean) => () => {
      clearTimeout(quiet);
      resolve(isShut);
    };
    socket.once("data", over(false)).once("end", over(true)).once("close", over(true));
  });
}

function dialHttp({ scheme, host, port, prefix }: HttpEndpoint, answer: TestAnswer): Promise<Hop> {
  if (host.startsWith("*."))
    return Promise.resolve(notTested("public", "wildcard", `${answer.endpoint} is any name: test one by a browser.`));
  const url = new URL(`${scheme}://${bracketed(host)}${port === null ? "" : `:${port}`}${prefix}/`);
  const began = performance.now();
  return new Promise((resolve) => {
    // What is wrong with a certificate is said with its names and dates, so it is looked at first.
    const options = {
      method: "GET",
      timeout: TIMEOUT_MS,
      rejectUnauthorized: false,
      headers: { "user-agent": "sallyport-test" },
    };
    const request = (scheme === "https" ? httpsRequest : httpRequest)(url, options, (response) => {
      const ms = performance.now() - began;
      const problem = scheme === "https" ? troubleOf(response.socket as TLSSocket, host) : null;
      response.destroy();
      if (problem !== null)
        return resolve(
          failed(
            "public",
            "public-tls",
            `${url.origin}: its certificate ${problem.text}.`,
            "renew the edge's certificate, or correct the name",
          ),
        );
      const status = response.statusCode ?? 0;
      const own = response.headers["x-sallyport-request"];
      const text = `${url.href} answers ${status}${own === undefined ? "" : ` (of the edge itself, request ${String(own)})`}.`;
      if (own !== undefined && answer.access === "public")
        return resolve(warned("public", "public-error", text, `sallyport log says why`));
      resolve(passed("public", text, ms));
    });
    request.on("timeout", () => request.destroy(Object.assign(new Error("no answer"), { code: "ETIMEDOUT" })));
    request.on("error", (error: NodeJS.ErrnoException) => {
      const code = error.code ?? error.message;
      if (code === "ENOTFOUND")
        return resolve(
          failed(
            "public",
            "public-unresolved",
            `The name ${host} does not resolve.`,
            `point it to the edge: a DNS record for ${host}`,
          ),
        );
      resolve(
        failed(
          "public",
          "public-unreachable",
          `${url.origin} can't be reached from here (${code}).`,
          "check the name's DNS record and what is in front of the edge",
        ),
      );
    });
    request.end();
  });
}
