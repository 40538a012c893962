import { bracketed } from "../address/socket-address.ts";

/** Who asked for what, as the edge itself saw it, or as a trusted proxy in front of it says. */
export type ForwardedInfo = {
  /** Canonical address of the visitor, without a port. */
  visitor: string;
  scheme: "http" | "https";
  /** HOST[:PORT] as asked for. */
  host: string;
  port: number;
  /** What X-Forwarded-For of trusted proxies said, oldest first. */
  via: readonly string[];
};

/** X-Forwarded-* and Forwarded (RFC 7239), always fresh, as `name, value, …`. */
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
