import { request as plainRequest } from "node:http";
import { request as tlsRequest } from "node:https";
import { formatHostPort } from "../../shared/address/socket-address.ts";
import type { Address } from "./address.ts";

/** Resolves to whether the edge at `address` answers its health check with 200. Does not verify the certificate: the socket is our own. */
export function isHealthy(address: Address, tls: boolean, timeoutMs: number): Promise<boolean> {
  const url = `${tls ? "https" : "http"}://${formatHostPort(address.host, address.port)}/.sallyport/healthz`;
  return new Promise((resolve) => {
    const options = { timeout: timeoutMs, agent: false };
    const request = tls ? tlsRequest(url, { ...options, rejectUnauthorized: false }) : plainRequest(url, options);
    request.once("response", (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    request.once("timeout", () => request.destroy());
    request.once("error", () => resolve(false));
    request.once("close", () => resolve(false));
    request.end();
  });
}
