// The first request to a target that does not send first. Only ports with a known protocol get one: some devices print or
// execute whatever they receive.

const HTTP_PORTS = new Set([
  80, 81, 88, 591, 3000, 5000, 7000, 8000, 8008, 8080, 8081, 8082, 8083, 8088, 8090, 8091, 8888, 9000, 9090,
]);
const HTTPS_PORTS = new Set([443, 4443, 5001, 8006, 8443, 9443, 10443]);
const RTSP_PORTS = new Set([554, 8554, 10554]);

/** The request for a TCP port; null: only wait for its greeting. */
export type ProbeRequest = { asked: "HTTP" | "RTSP" | "SIP"; secure: boolean; text: string } | null;

/** Chooses the request for a TCP port. */
export function requestFor(port: number, host: string): ProbeRequest {
  if (HTTPS_PORTS.has(port)) return { asked: "HTTP", secure: true, text: httpRequest(host) };
  if (HTTP_PORTS.has(port)) return { asked: "HTTP", secure: false, text: httpRequest(host) };
  if (RTSP_PORTS.has(port))
    return { asked: "RTSP", secure: false, text: `OPTIONS rtsp://${host}/ RTSP/1.0\r\nCSeq: 1\r\n\r\n` };
  if (port === 5060) return { asked: "SIP", secure: false, text: sipOptions(host, "TCP") };
  if (port === 5061) return { asked: "SIP", secure: true, text: sipOptions(host, "TLS") };
  return null;
}

export function httpRequest(host: string): string {
  return `GET / HTTP/1.1\r\nHost: ${host}\r\nUser-Agent: sallyport-test\r\nAccept: */*\r\nConnection: close\r\n\r\n`;
}

/** Makes an OPTIONS request, which any SIP server answers (RFC 3261 section 11). */
export function sipOptions(host: string, transport: "UDP" | "TCP" | "TLS"): string {
  const tag = Math.random().toString(36).slice(2, 10);
  return [
    `OPTIONS sip:${host} SIP/2.0`,
    `Via: SIP/2.0/${transport} 127.0.0.1;branch=z9hG4bK${tag};rport`,
    "Max-Forwards: 5",
    `From: <sip:test@127.0.0.1>;tag=${tag}`,
    `To: <sip:${host}>`,
    `Call-ID: ${tag}@127.0.0.1`,
    "CSeq: 1 OPTIONS",
    "Content-Length: 0",
    "\r\n",
  ].join("\r\n");
}

/** Returns the first line, without control characters. */
export function firstLine(answer: string): string {
  const [line = ""] = answer.split(/\r?\n/, 1);
  return line.replace(/[^\x20-\x7e]/g, ".").slice(0, 120);
}
