import type net from "node:net";
import * as z from "zod";
import type { Failure } from "../../shared/wire/errors.ts";
import { HEADROOM } from "../../shared/wire/frame.ts";
import type { Dial } from "../../shared/wire/open.ts";
import { formatHostPort } from "../../shared/address/socket-address.ts";
import type { Stream } from "../../shared/session/stream.ts";
import { parseTarget } from "../../shared/address/target.ts";
import { failureOf } from "../egress/dial.ts";
import { judge, type TargetPolicy } from "../policy.ts";
import { remedyOf } from "../remedy.ts";
import { certificateOf } from "./certificate.ts";
import { connectTo, exchange, secure } from "./connect.ts";
import { failed, type Findings, type ProbeFailure } from "./findings.ts";
import { probeUdp } from "./udp.ts";
import { firstLine, httpRequest, requestFor, type ProbeRequest } from "./requests.ts";

/** Milliseconds to wait for the greeting of a service that sends first, and for an answer. */
const GREETING_MS = 700;
const ANSWER_MS = 3_000;

/** The HTTP options of a mapping that decide whether its target is trusted. */
const HttpTrust = z.object({
  tlsVerify: z.boolean().default(true),
  ca: z.string().nullable().default(null),
  sni: z.string().nullable().default(null),
});

/** Answers a DIAL with the option `probe`: tries the target, reports what it found, and carries nothing. Resolves with why the stream ended. */
export async function serveProbe(
  stream: Stream,
  request: Dial,
  policy: TargetPolicy,
  dialled: () => void,
): Promise<Failure | null> {
  const ended = new Promise<Failure | null>((resolve) => {
    stream.events = { data: (bytes) => stream.consumed(bytes.byteLength), fin: () => undefined, ended: resolve };
  });
  const began = performance.now();
  const findings = await probe(request, policy);
  dialled();
  const text = new TextEncoder().encode(JSON.stringify({ ...findings, tookMs: performance.now() - began }));
  const chunk = new Uint8Array(HEADROOM + text.byteLength);
  chunk.set(text, HEADROOM);
  stream.accept({ target: findings.address, local: "" });
  stream.write(chunk);
  stream.finish();
  return ended;
}

async function probe({ target: text, kind, options }: Dial, policy: TargetPolicy): Promise<Findings> {
  const target = parseTarget(text);
  if (!target.ok) return failed("target-denied", target.error.message, "");
  if (!("host" in target.value)) {
    return { ...failed("", "", ""), failure: null, asked: "" };
  }
  const { host } = target.value;
  const port = target.value.kind === "http" ? target.value.port : target.value.first;
  const judged = await judge(policy, host, port);
  if (!judged.ok) return failed(judged.failure.code, judged.failure.reason, remedyOf(judged.failure.code));
  if (kind === "udp") return probeUdp(judged.addresses, port);
  const began = performance.now();
  let socket: net.Socket;
  try {
    socket = await connectTo(judged.addresses, port);
  } catch (error) {
    const { code, reason } = failureOf(error as NodeJS.ErrnoException, formatHostPort(host, port));
    return failed(code, reason, remedyOf(code));
  }
  const dialMs = performance.now() - began;
  const address = formatHostPort(socket.remoteAddress ?? "", port);
  try {
    const isHttp = target.value.kind === "http";
    const request: ProbeRequest =
      target.value.kind === "http"
        ? { asked: "HTTP", secure: target.value.scheme === "https", text: httpRequest(host) }
        : requestFor(port, host);
    const trust = isHttp ? HttpTrust.parse(JSON.parse(options === "" ? "{}" : options)) : undefined;
    const redial = (): Promise<net.Socket> => connectTo(judged.addresses, port);
    return { ...(await probeConnection(socket, request, host, trust, redial)), dialMs, address };
  } finally {
    socket.destroy();
  }
}

type ProbeAnswer = Pick<Findings, "failure" | "tls" | "seen" | "asked">;

/** Probes an open connection. `trust`: the TLS options of an `http(s)://` target; undefined for a port, whose certificate only its visitors judge. */
async function probeConnection(
  socket: net.Socket,
  request: ProbeRequest,
  host: string,
  trust: z.output<typeof HttpTrust> | undefined,
  redial: () => Promise<net.Socket>,
): Promise<ProbeAnswer> {
  if (request?.secure === true) return probeOverTls(socket, request, host, trust, redial);
  const greeting = trust === undefined ? await exchange(socket, "", GREETING_MS) : "";
  if (greeting !== "" || request === null)
    return { failure: null, tls: null, seen: firstLine(greeting), asked: "listen" };
  const answer = await exchange(socket, request.text, ANSWER_MS);
  const failure = trust === undefined || answer.startsWith("HTTP/") ? null : notHttp(answer);
  return { failure, tls: null, seen: firstLine(answer), asked: request.asked };
}

async function probeOverTls(
  socket: net.Socket,
  request: NonNullable<ProbeRequest>,
  host: string,
  trust: z.output<typeof HttpTrust> | undefined,
  redial: () => Promise<net.Socket>,
): Promise<ProbeAnswer> {
  try {
    const secured = await secure(socket, trust?.sni ?? host, trust?.ca ?? undefined);
    const certificate = certificateOf(secured, trust?.tlsVerify === true ? (trust.sni ?? host) : undefined);
    const tls = { version: secured.getProtocol() ?? "", certificate };
    if (certificate !== null && certificate.trouble !== "") {
      const fix =
        "renew or replace the certificate, give its authority with map edit E --ca FILE, or accept any with --no-tls-verify";
      return { failure: { code: "target-tls", reason: certificate.trouble, fix }, tls, seen: "", asked: request.asked };
    }
    return {
      failure: null,
      tls,
      seen: firstLine(await exchange(secured, request.text, ANSWER_MS)),
      asked: request.asked,
    };
  } catch (error) {
    const plain = await askWithoutTls(request, redial);
    const failure: ProbeFailure = plain.startsWith("HTTP/")
      ? {
          code: "target-plain",
          reason: "it speaks plain HTTP where TLS is expected",
          fix: "write the target as http://, or correct its port",
        }
      : {
          code: "target-tls",
          reason: `it does not speak TLS (${(error as NodeJS.ErrnoException).code ?? (error as Error).message})`,
          fix: "correct the target's port",
        };
    return { failure, tls: null, seen: firstLine(plain), asked: request.asked };
  }
}

async function askWithoutTls({ text }: NonNullable<ProbeRequest>, redial: () => Promise<net.Socket>): Promise<string> {
  const socket = await redial().catch(() => undefined);
  if (socket === undefined) return "";
  const answer = await exchange(socket, text, ANSWER_MS);
  socket.destroy();
  return answer;
}

/** First bytes of TLS: an alert, a handshake (RFC 8446 section 5.1). */
const TLS_RECORDS: ReadonlySet<number> = new Set([0x15, 0x16]);

function notHttp(answer: string): ProbeFailure {
  if (answer === "")
    return {
      code: "target-protocol",
      reason: "it accepts the connection but does not answer a request",
      fix: "check that it is a web server, and whether it wants https://",
    };
  if (TLS_RECORDS.has(answer.charCodeAt(0)))
    return {
      code: "target-protocol",
      reason: "it speaks TLS where plain HTTP is expected",
      fix: "write the target as https://",
    };
  return {
    code: "target-protocol",
    reason: `its answer is not HTTP: ${firstLine(answer)}`,
    fix: "map it as a port instead, or correct the target",
  };
}
