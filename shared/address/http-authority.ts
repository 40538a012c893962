import { parseHost } from "./host.ts";
import { parsePort } from "./ports.ts";
import { bracketed, splitHostPort } from "./socket-address.ts";

/** The authority of a request, in its canonical spelling. */
export type Authority = {
  scheme: "http" | "https";
  /** Canonical, no brackets. */
  host: string;
  port: number;
  /** HOST[:PORT], the port only if it was given. */
  text: string;
};

const DEFAULT_PORT = { http: 80, https: 443 } as const;
/** At most one colon, before the port; no user, path, list or escape. Brackets only around IPv6. */
const SHAPE = /^(?:[a-z0-9_](?:[a-z0-9_.-]{0,253}[a-z0-9_])?\.?|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?$/;

/** Parses a Host header; undefined for one that could be read in two ways. */
export function parseAuthority(text: string, scheme: "http" | "https"): Authority | undefined {
  const lower = text.toLowerCase();
  if (!SHAPE.test(lower)) return undefined;
  const split = splitHostPort(lower);
  const host = split && parseHost(split);
  if (!split || !host?.ok) return undefined;
  const port = split.port === undefined ? undefined : parsePort(split.port);
  if (port !== undefined && !port.ok) return undefined;
  const given = port === undefined ? "" : `:${port.value}`;
  return {
    scheme,
    host: host.value,
    port: port?.value ?? DEFAULT_PORT[scheme],
    text: `${bracketed(host.value)}${given}`,
  };
}
