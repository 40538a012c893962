import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import net from "node:net";
import type { TLSSocket } from "node:tls";
import { certificateProblem } from "../../link/dial/certificate.ts";
import type { TestAnswer } from "../../shared/rule/api.ts";
import { parseEndpoint, transports, type HttpEndpoint, type PortEndpoint } from "../../shared/address/endpoint.ts";
import { failed, notTested, passed, warned, type Hop } from "../../shared/rule/hop.ts";
import { unwrap } from "../../shared/result.ts";
import { bracketed } from "../../shared/address/socket-address.ts";
import type { VantagePoint } from "./vantage-point.ts";

const TIMEOUT_MS = 10_000;
/** How long to wait, in milliseconds, for an edge to close a connection that it refuses. */
const REFUSAL_MS = 1_500;

/** Dials an endpoint from this machine, as a visitor would. */
export async function dialPublic(answer: TestAnswer, vantage: VantagePoint): Promise<Hop> {
  const endpoint = unwrap(parseEndpoint(answer.endpoint));
  if (endpoint.kind === "service")
    return notTested(
      "public",
      "no-public-side",
      "A service has no public port: visitors reach it with a token, through sallyport connect.",
    );
  if (endpoint.kind === "port" && answer.access === "token") {
    return notTested(
      "public",
      "no-public-side",
      "This port is not public: visitors reach it with a token, through sallyport connect.",
    );
  }
  if (vantage.isEdge) {
    return notTested(
      "public",
      "edge-host",
      "This is the edge's own machine, from which a firewall in front of it can't be tested: run the test on another machine.",
    );
  }
  if (vantage.proxy !== null) {
    return notTested(
      "public",
      "proxy",
      `This machine dials out through ${vantage.proxy.name}, which visitors do not: run the test on another machine.`,
    );
  }
  return endpoint.kind === "http" ? dialHttp(endpoint, answer) : dialPort(endpoint, vantage.host, answer);
}

async function dialPort(endpoint: PortEndpoint, host: string, answer: TestAnswer): Promise<Hop> {
  const where = `${bracketed(host)}:${endpoint.first}`;
  if (!transports(endpoint).includes("tcp"))
    return notTested(
      "public",
      "udp",
      `${where} is UDP, which can't be tested without the target's own protocol: try it with a program that speaks it.`,
    );
  const began = performance.now();
  const socket = net.connect({ host, port: endpoint.first });
  try {
    await waitForConnect(socket);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "ETIMEDOUT";
    const fix =
      code === "ECONNREFUSED"
        ? "no program listens there: have the edge hold the port (serve --tcp), or name the gateway's machine with --at HOST"
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
  if (!isShut) return passed("public", `${where} accepts connections.`, ms);
  const denied = answer.hops.find(({ hop, outcome }) => hop === "policy" && outcome !== "ok");
  const text = `${where} accepts connections and closes them at once`;
  return denied === undefined
    ? warned("public", "public-closed", `${text}: see the hops below, or sallyport log, for the reason.`)
    : warned("public", "public-denied", `${text}, because its rules deny this address.`);
}

function waitForConnect(socket: net.Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy(Object.assign(new Error("no answer"), { code: "ETIMEDOUT" })));
    socket.on("error", reject).once("connect", () => resolve());
  });
}

/** Resolves to true when the connection ends within REFUSAL_MS without a byte. */
function hangsUp(socket: net.Socket): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), REFUSAL_MS);
    const finish = (isShut: boolean) => () => {
      clearTimeout(timer);
      resolve(isShut);
    };
    socket.once("data", finish(false)).once("end", finish(true)).once("close", finish(true));
  });
}

function dialHttp({ scheme, host, port, prefix }: HttpEndpoint, answer: TestAnswer): Promise<Hop> {
  if (host.startsWith("*."))
    return Promise.resolve(
      notTested("public", "wildcard", `${answer.endpoint} is a wildcard: open one of its names in a browser.`),
    );
  const url = new URL(`${scheme}://${bracketed(host)}${port === null ? "" : `:${port}`}${prefix}/`);
  const began = performance.now();
  return new Promise((resolve) => {
    // TLS accepts any certificate here. It is checked below, so that the error can show its names and dates.
    const options = {
      method: "GET",
      timeout: TIMEOUT_MS,
      rejectUnauthorized: false,
      headers: { "user-agent": "sallyport-test" },
    };
    const request = (scheme === "https" ? httpsRequest : httpRequest)(url, options, (response) => {
      const ms = performance.now() - began;
      const problem = scheme === "https" ? certificateProblem(response.socket as TLSSocket, host) : null;
      response.destroy();
      if (problem !== null)
        return resolve(
          failed(
            "public",
            "public-tls",
            `${url.origin}: its certificate ${problem.text}.`,
            "renew the edge's certificate, or correct the endpoint's host name",
          ),
        );
      const status = response.statusCode ?? 0;
      const edgeRequestId = response.headers["x-sallyport-request"];
      const text = `${url.href} answers ${status}${edgeRequestId === undefined ? "" : ` (from the edge itself, request ${String(edgeRequestId)})`}.`;
      if (edgeRequestId !== undefined && answer.access === "public")
        return resolve(warned("public", "public-error", text, "see the reason in sallyport log"));
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
            `make a DNS record for ${host} that points to the edge`,
          ),
        );
      resolve(
        failed(
          "public",
          "public-unreachable",
          `${url.origin} can't be reached from here (${code}).`,
          "check the name's DNS record and any firewall or proxy in front of the edge",
        ),
      );
    });
    request.end();
  });
}
