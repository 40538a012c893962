import { bracketed } from "../address/socket-address.ts";

/** The visitor and what it asked for, as the edge saw it or a trusted proxy in front of it says. */
export type ForwardedInfo = {
  /** Canonical address of the visitor, without a port. */
  visitor: string;
  scheme: "http" | "https";
  /** HOST[:PORT] as asked for. */
  host: string;
  port: number;
  /** Addresses in X-Forwarded-For from trusted proxies, oldest first. */
  via: readonly string[];
};

/** Makes X-Forwarded-*, X-Real-IP and Forwarded (RFC 7239), as `name, value, …`. Nothing of a visitor's own ones is kept. */
export function forwardedHeaders({ visitor, scheme, host, port, via }: ForwardedInfo): string[] {
  const chain = [visitor, ...via];
  const nodes = chain.map((address, index) => {
    const of = address.includes(":") ? `"${bracketed(address)}"` : address;
    const rest = index === 0 ? `;host=${/[^\w.-]/.test(host) ? `"${host}"` : host};proto=${scheme}` : "";
    return `for=${of}${rest}`;
  });
  return [
    "x-forwarded-for",
    chain.join(", "),
    "x-forwarded-proto",
    scheme,
    "x-forwarded-host",
    host,
    "x-forwarded-port",
    String(port),
    "x-real-ip",
    visitor,
    "forwarded",
    nodes.join(", "),
  ];
}
