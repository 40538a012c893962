import { createSocket } from "node:dgram";
import type { Address } from "../../shared/address/address.ts";
import { formatHostPort } from "../../shared/address/socket-address.ts";
import type { Findings } from "./findings.ts";
import { firstLine, sipOptions } from "./requests.ts";

const ANSWER_MS = 3_000;

/** A query for the root's name servers. */
const DNS_QUERY = Buffer.from("5a1d010000010000000000000000020001", "hex");

/** Sends a request to a UDP service, if its port has a known protocol: UDP services answer nothing else. */
export async function probeUdp(addresses: readonly Address[], port: number): Promise<Findings> {
  const host = addresses[0]?.text ?? "";
  const address = formatHostPort(host, port);
  const findings: Findings = { dialMs: null, address, failure: null, tls: null, seen: "", asked: "" };
  const asked = port === 5060 ? "SIP" : port === 53 ? "DNS" : "";
  if (asked === "") return findings;
  const began = performance.now();
  const answer = await exchange(host, port, asked === "SIP" ? Buffer.from(sipOptions(host, "UDP")) : DNS_QUERY);
  if (answer instanceof Buffer) {
    const seen = asked === "SIP" ? firstLine(answer.toString("latin1")) : `an answer of ${answer.byteLength} bytes`;
    return { ...findings, dialMs: performance.now() - began, seen, asked };
  }
  const failure =
    answer === "ECONNREFUSED"
      ? {
          code: "target-refused",
          reason: `${address} refused it: nothing listens there`,
          fix: "start the service there, or correct the port",
        }
      : {
          code: "target-timeout",
          reason: `${address} did not answer to ${asked}`,
          fix: "check that the device is on and speaks that protocol",
        };
  return { ...findings, failure, asked };
}

function exchange(host: string, port: number, request: Buffer): Promise<Buffer | string> {
  return new Promise((resolve) => {
    const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
    const done = (answer: Buffer | string): void => {
      clearTimeout(timer);
      socket.close();
      resolve(answer);
    };
    const timer = setTimeout(() => done("ETIMEDOUT"), ANSWER_MS);
    socket.once("error", (error: NodeJS.ErrnoException) => done(error.code ?? "error"));
    socket.once("message", (bytes) => done(bytes));
    socket.connect(port, host, () => socket.send(request));
  });
}
