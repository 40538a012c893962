import type { HttpEndpoint } from "./endpoint.ts";
import { fault, ok, type Result } from "./result.ts";
import { hostMatches } from "./scope.ts";

/** A proxy, a server and an application: more of them in a row don't each decode a path. */
const MAX_DECODINGS = 3;

/** What a visitor's request is addressed to. `host` is canonical (parseHost); `path` is as received, from the slash on, no query. */
export interface HttpAddress {
  readonly scheme: "http" | "https";
  readonly host: string;
  readonly port: number;
  readonly path: string;
}

/**
 * The endpoint that serves a request: an exact host before a wildcard, then one with this port before one with any,
 * then the longest prefix. Undefined if there is none. A path that could mean two of them is refused: what is
 * `/public/..%2fadmin` to us may be `/admin` to the target.
 */
export function routeHttp<T extends HttpEndpoint>(
  endpoints: readonly T[],
  request: HttpAddress,
): Result<T | undefined> {
  const served = endpoints.filter(
    ({ scheme, host, port }) =>
      scheme === request.scheme && hostMatches(host, request.host) && (port ?? request.port) === request.port,
  );
  const chosen = mostExact(served, request.path);
  if (served.every(({ prefix }) => prefix === "")) return ok(chosen);
  if (mostExact(served, plainest(request.path)) === chosen) return ok(chosen);
  return fault(
    "ambiguous-path",
    "The path has more than one reading.",
    "Write it without escapes, dot segments or double slashes.",
  );
}

function mostExact<T extends HttpEndpoint>(endpoints: readonly T[], path: string): T | undefined {
  const rank = ({ host, port, prefix }: T) => [host.startsWith("*.") ? 0 : 1, port === null ? 0 : 1, prefix.length];
  return endpoints
    .filter(({ prefix }) => isUnder(prefix, path))
    .map((endpoint) => ({ endpoint, rank: rank(endpoint) }))
    .toSorted((a, b) => compare(b.rank, a.rank))[0]?.endpoint;
}

function compare(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((value, index) => value !== b[index]);
  return at < 0 ? 0 : (a[at] ?? 0) - (b[at] ?? 0);
}

/** Whether a path is the prefix itself or below it: `/app` has `/app` and `/app/x`, not `/apple`. */
export function isUnder(prefix: string, path: string): boolean {
  return path.startsWith(prefix) && (prefix === "" || path.length === prefix.length || path[prefix.length] === "/");
}

/** The path as the most obliging of targets would read it. */
function plainest(path: string): string {
  const decoded = decode(path).replaceAll("\\", "/");
  const segments: string[] = [];
  for (const raw of decoded.split("/")) {
    const segment = raw.replace(/;.*$/s, "");
    if (segment === "..") segments.pop();
    else if (segment !== "" && segment !== ".") segments.push(segment);
  }
  return `/${segments.join("/")}`;
}

/** Percent-decoded as often as any chain of servers would; malformed escapes stay. */
function decode(path: string): string {
  let decoded = path;
  for (let round = 0; round < MAX_DECODINGS && decoded.includes("%"); round++) {
    decoded = decoded.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  }
  return decoded;
}
