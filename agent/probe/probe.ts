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
import { connectTo, hear, secure } from "./connect.ts";
import { nothing, type Findings, type Trouble } from "./findings.ts";
import { probeUdp } from "./udp.ts";
import { firstLine, httpRequest, mannerOf, type Manner } from "./requests.ts";

/** Milliseconds in which a service that speaks first does so, and in which an answer comes. */
const GREETING_MS = 700;
const ANSWER_MS = 3_000;

/** Of a mapping's HTTP options, those that decide whether its target is trusted. */
const HttpTrust = z.object({
  tlsVerify: z.boolean().default(true),
  ca: z.string().nullable().default(null),
  sni: z.string().nullable().default(null),
});

/** Answers a DIAL with the option `probe`: tries the target, says what it found, and carries nothing. */
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
  if (!target.ok) return nothing("target-denied", target.error.message, "");
  if (!("host" in target.value)) {
    return { ...nothing("", "", ""), failure: null, asked: "" };
  }
  const { host } = target.value;
  const port = target.value.kind === "http" ? target.value.port : target.value.first;
  const judged = await judge(policy, host, port);
  if (!judged.ok) return nothing(judged.failure.code, judged.failure.reason, remedyOf(judged.failure.code));
  if (kind === "udp") return probeUdp(judged.addresses, port);
  const began = performance.now();
  let socket: net.Socket;
  try {
    socket = await connectTo(judged.addresses, port);
  } catch (error) {
    const { code, reason } = failureOf(error as NodeJS.ErrnoException, formatHostPort(host, port));
    return nothing(code, reason, remedyOf(code));
  }
  const dialMs = performance.now() - began;
  const address = formatHostPort(socket.remoteAddress ?? "", port);
  try {
    const isHttp = target.value.kind === "http";
    const manner: Manner =
      target.value.kind === "http"
        ? { asked: "HTTP", secure: target.value.scheme === "https", words: httpRequest(host) }
        : mannerOf(port, host);
    const trust = isHttp ? HttpTrust.parse(JSON.parse(options === "" ? "{}" : options)) : undefined;
    const again = (): Promise<net.Socket> => connectTo(judged.addresses, port);
    return { ...(await speak(socket, manner, host, trust, again)), dialMs, address };
  } finally {
    socket.destroy();
  }
}

type Said = Pick<Findings, "failure" | "tls" | "seen" | "asked">;

/** `trust`: how an `http(s)://` target is to be spoken to; undefined for a plain port, whose certificate is its visitors' affair. */
async function speak(
  socket: net.Socket,
  manner: Manner,
  host: string,
  trust: z.output<typeof HttpTrust> | undefined,
  again: () => Promise<net.Socket>,
): Promise<Said> {
  if (manner?.secure === true) return speakSecurely(socket, manner, host, trust, again);
  const greeting = trust === undefined ? await hear(socket, "", GREETING_MS) : "";
  if (greeting !== "" || manner === null)
    return { failure: null, tls: null, seen: firstLine(greeting), asked: "listen" };
  const heard = await hear(socket, manner.words, ANSWER_MS);
  const failure = trust === undefined || heard.startsWith("HTTP/") ? null : notHttp(heard);
  return { failure, tls: null, seen: firstLine(heard), asked: manner.asked };
}

async function speakSecurely(
  socket: net.Socket,
  manner: NonNullable<Manner>,
  host: string,
  trust: z.output<typeof HttpTrust> | undefined,
  again: () => Promise<net.Socket>,
): Promise<Said> {
  try {
    const secured = await secure(socket, trust?.sni ?? host, trust?.ca ?? undefined);
    const certificate = certificateOf(secured, trust?.tlsVerify === true ? (trust.sni ?? host) : undefined);
    const tls = { version: secured.getProtocol() ?? "", certificate };
    if (certificate !== null && certificate.trouble !== "") {
      const fix =
        "renew or replace the certificate, give its authority with map edit E --ca FILE, or take any with --no-tls-verify";
      return { failure: { code: "target-tls", reason: certificate.trouble, fix }, tls, seen: "", asked: manner.asked };
    }
    return { failure: null, tls, seen: firstLine(await hear(secured, manner.words, ANSWER_MS)), asked: manner.asked };
  } catch (error) {
    const plain = await withoutTls(manner, again);
    const failure: Trouble = plain.startsWith("HTTP/")
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
    return { failure, tls: null, seen: firstLine(plain), asked: manner.asked };
  }
}

async function withoutTls({ words }: NonNullable<Manner>, again: () => Promise<net.Socket>): Promise<string> {
  const socket = await again().catch(() => undefined);
  if (socket === undefined) return "";
  const heard = await hear(socket, words, ANSWER_MS);
  socket.destroy();
  return heard;
}

/** First bytes of TLS: an alert, a handshake (RFC 8446 section 5.1). */
const TLS_RECORDS: ReadonlySet<number> = new Set([0x15, 0x16]);

function notHttp(heard: string): Trouble {
  if (heard === "")
    return {
      code: "target-protocol",
      reason: "it takes the connection and answers nothing to a request",
      fix: "check that it is a web server, and whether it wants https://",
    };
  if (TLS_RECORDS.has(heard.charCodeAt(0)))
    return {
      code: "target-protocol",
      reason: "it speaks TLS where plain HTTP is expected",
      fix: "write the target as https://",
    };
  return {
    code: "target-protocol",
    reason: `what it answers is no HTTP: ${firstLine(heard)}`,
    fix: "map it as a port instead, or correct the target",
  };
}
