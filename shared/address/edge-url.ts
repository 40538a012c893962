import { parseAddress } from "./address.ts";
import { classify, isLoopbackName } from "./address-class.ts";
import { parseEndpoint } from "./endpoint.ts";
import { fault, ok, quote, type Result } from "../result.ts";
import { bracketed } from "./socket-address.ts";

/** The canonical URL of an edge: the `iss` of its tokens. */
export interface EdgeUrl {
  /** Canonical: lower case, no default port, no path, no slash at the end. */
  readonly text: string;
  /** Canonical, IPv6 without brackets. */
  readonly host: string;
  readonly isLoopback: boolean;
  /** `http:`, which is unencrypted. */
  readonly isPlain: boolean;
}

const DEFAULT_PORT = { http: 80, https: 443 };

/** `https://edge.example.com`, `http://127.0.0.1:8787`, with or without a slash at the end. */
export function parseEdgeUrl(text: string): Result<EdgeUrl> {
  const parsed = parseEndpoint(text);
  if (!parsed.ok || parsed.value.kind !== "http" || parsed.value.prefix !== "" || parsed.value.host.startsWith("*.")) {
    return fault(
      "bad-host",
      `${quote(text)} is not the URL of an edge.`,
      "Write https://HOST or https://HOST:PORT, with no path.",
    );
  }
  const { scheme, host, port } = parsed.value;
  const shown = port === null || port === DEFAULT_PORT[scheme] ? "" : `:${port}`;
  return ok({
    text: `${scheme}://${bracketed(host)}${shown}`,
    host,
    isLoopback: isLoopbackHost(host),
    isPlain: scheme === "http",
  });
}

/** Whether a canonical host is loopback, by address or by name. */
export function isLoopbackHost(host: string): boolean {
  if (isLoopbackName(host)) return true;
  const address = parseAddress(host);
  return address.ok && classify(address.value) === "loopback";
}
