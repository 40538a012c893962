import { parseAuthority, type Authority } from "../address/http-authority.ts";
import { fault, ok, type Result } from "../result.ts";

/** The target of a request: authority, and path and query as received. */
export type RequestTarget = { readonly authority: Authority; readonly path: string };

/** Scheme, authority, and the rest up to a fragment. No backslash in the authority: some parsers read it as a slash. */
const ABSOLUTE = /^(?:https?):\/\/([^/?#\\]*)([^#]*)/i;

/**
 * Reads the target of a request line and the Host header into one authority, which decides both the route and the rules. Refuses
 * an absolute-form target that names another host than Host, because servers disagree about which of the two counts
 * (RFC 9112 section 3.2.2). `scheme` is the connection's. `parse` may be a caching parser.
 */
export function readTarget(
  method: string,
  target: string,
  host: string | null,
  scheme: "http" | "https",
  parse: typeof parseAuthority = parseAuthority,
): Result<RequestTarget> {
  const absolute = target.startsWith("/") ? null : ABSOLUTE.exec(target);
  const named = absolute?.[1];
  const authority = parse(host ?? named ?? "", scheme);
  if (authority === undefined) return fault("bad-host", "The Host header can't be understood.");
  if (named !== undefined && named !== authority.text && !isSame(parse(named, scheme), authority))
    return fault("bad-host", "The request line names another host than the Host header.");
  const path = absolute === null ? target : (absolute[2] ?? "");
  if (path.startsWith("/") || (path === "*" && method === "OPTIONS")) return ok({ authority, path });
  if (absolute !== null && (path === "" || path.startsWith("?"))) return ok({ authority, path: `/${path}` });
  return fault("bad-target", "The request line asks for no path.");
}

function isSame(a: Authority | undefined, b: Authority): boolean {
  return a !== undefined && a.host === b.host && a.port === b.port;
}
