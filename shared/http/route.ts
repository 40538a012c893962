import type { HttpEndpoint } from "../address/endpoint.ts";
import { isReadUnder, normalized, readings } from "./readings.ts";
import { fault, ok, type Result } from "../result.ts";
import { hostMatches } from "../rule/scope.ts";

/**
 * The address of a visitor's request. `host` is canonical (parseHost); `path` is as received, from the slash on, without the
 * query.
 */
export interface HttpAddress {
  readonly scheme: "http" | "https";
  readonly host: string;
  readonly port: number;
  readonly path: string;
}

type IsUnder = (prefix: string, path: string) => boolean;

/**
 * Finds the endpoint that serves a request: an exact host before a wildcard, then one with this port before one with any port,
 * then the longest prefix. Undefined if there is none. Refuses a path that could mean two of them: a target may read
 * `/public/..%2fadmin` as `/admin`. It may read `/Admin` as `/admin`, too; that is refused where `isSameRule` says that the two
 * endpoints let different visitors in, because the target doesn't check that.
 */
export function routeHttp<T extends HttpEndpoint>(
  endpoints: readonly T[],
  request: HttpAddress,
  isSameRule: (a: T, b: T) => boolean = (a, b) => a === b,
): Result<T | undefined> {
  const served = endpoints.filter(
    ({ scheme, host, port }) =>
      scheme === request.scheme && hostMatches(host, request.host) && (port ?? request.port) === request.port,
  );
  const chosen = mostExact(served, request.path, isUnder);
  if (served.every(({ prefix }) => prefix === "")) return ok(chosen);
  if (mostExact(served, normalized(request.path), isUnder) !== chosen) return ambiguous();
  if (chosen === undefined || served.every((each) => isSameRule(each, chosen))) return ok(chosen);
  for (const reading of readings(request.path)) {
    // More readings than are checked: no honest path has as many.
    if (reading === undefined) return ambiguous();
    for (const isRead of [isUnder, isReadUnder]) {
      const found = mostExact(served, reading, isRead);
      if (found !== undefined && found !== chosen && !isSameRule(found, chosen)) return ambiguous();
    }
  }
  return ok(chosen);
}

function ambiguous(): Result<never> {
  return fault(
    "ambiguous-path",
    "The path has more than one reading.",
    "Write it as the endpoint has it, without escapes, dot segments or double slashes.",
  );
}

function mostExact<T extends HttpEndpoint>(endpoints: readonly T[], path: string, isIn: IsUnder): T | undefined {
  const rank = ({ host, port, prefix }: T) => [host.startsWith("*.") ? 0 : 1, port === null ? 0 : 1, prefix.length];
  return endpoints
    .filter(({ prefix }) => isIn(prefix, path))
    .map((endpoint) => ({ endpoint, rank: rank(endpoint) }))
    .toSorted((a, b) => compare(b.rank, a.rank))[0]?.endpoint;
}

function compare(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((value, index) => value !== b[index]);
  return at < 0 ? 0 : (a[at] ?? 0) - (b[at] ?? 0);
}

/** Whether a path is the prefix itself or below it: `/app` and `/app/x` are under `/app`, `/apple` is not. */
export function isUnder(prefix: string, path: string): boolean {
  return path.startsWith(prefix) && (prefix === "" || path.length === prefix.length || path[prefix.length] === "/");
}
