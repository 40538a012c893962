import type { FlatHeaders } from "./head.ts";

// Rewrites response headers in which a target names its own host or path to the endpoint's.

export type Rewriting = {
  /** Scheme and HOST[:PORT] of the request to the target. */
  target: { scheme: string; host: string };
  /** Scheme and HOST[:PORT] of the visitor's request. */
  visitor: { scheme: string; host: string };
  /** The endpoint's prefix that was removed from the target's path, or "". */
  stripped: string;
};

/**
 * Rewrites Location, Content-Location, Refresh and Set-Cookie in response headers (`name, value, …`, lower case) to the
 * endpoint.
 */
export function rewriteResponse(headers: FlatHeaders, how: Rewriting): string[] {
  const out = [...headers];
  for (let at = 0; at < out.length; at += 2) {
    const value = out[at + 1] ?? "";
    switch (out[at] ?? "") {
      case "location":
      case "content-location":
        out[at + 1] = rewriteLocation(value, how);
        break;
      case "refresh":
        out[at + 1] = value.replace(
          /^(\s*[\d.]+\s*[;,]\s*url\s*=\s*)(["']?)([^"']*)\2$/i,
          (_, before: string, mark: string, url: string) => {
            return `${before}${mark}${rewriteLocation(url, how)}${mark}`;
          },
        );
        break;
      case "set-cookie":
        out[at + 1] = rewriteCookie(value, how);
        break;
    }
  }
  return out;
}

/** Rewrites a URL or path of the target to the one that the visitor has to use. URLs of other hosts stay. */
export function rewriteLocation(location: string, { target, visitor, stripped }: Rewriting): string {
  const absolute = /^(?:(https?):)?\/\/([^/?#]*)(.*)$/is.exec(location);
  if (absolute !== null) {
    const [, scheme, host = "", rest = ""] = absolute;
    if (!sameHost(host, target.host, (scheme ?? target.scheme).toLowerCase())) return location;
    const path = rest.startsWith("/") ? rest : `/${rest}`;
    return `${scheme === undefined ? "" : `${visitor.scheme}:`}//${visitor.host}${stripped}${path}`;
  }
  return location.startsWith("/") ? stripped + location : location;
}

/** Rewrites a cookie's path to the endpoint's, and drops the target's own host as its domain. */
export function rewriteCookie(cookie: string, { target, visitor, stripped }: Rewriting): string {
  const [pair = "", ...attributes] = cookie.split(";");
  const kept = attributes.flatMap((attribute) => {
    const [name, value] = splitOnce(attribute, "=");
    switch (name.trim().toLowerCase()) {
      case "domain": {
        const domain = value.trim().toLowerCase().replace(/^\./, "");
        const [targetHost] = splitOnce(target.host, ":");
        return domain === targetHost && targetHost !== splitOnce(visitor.host, ":")[0] ? [] : [attribute];
      }
      case "path":
        return stripped !== "" && value.trim().startsWith("/")
          ? [` Path=${stripped}${value.trim() === "/" ? "/" : value.trim()}`]
          : [attribute];
      default:
        return [attribute];
    }
  });
  return [pair, ...kept].join(";");
}

function sameHost(a: string, b: string, scheme: string): boolean {
  const suffix = scheme === "https" ? ":443" : ":80";
  const plain = (host: string): string => {
    const lower = host.toLowerCase();
    return lower.endsWith(suffix) ? lower.slice(0, -suffix.length) : lower;
  };
  return plain(a) === plain(b);
}

function splitOnce(text: string, mark: string): [string, string] {
  const at = text.indexOf(mark);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}
