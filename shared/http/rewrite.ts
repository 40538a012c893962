import type { FlatHeaders } from "./head.ts";

// What a target says about itself, put into the words of the endpoint: only where the target names its own host or path.

export type Rewriting = {
  /** Scheme and HOST[:PORT] that the target was asked with. */
  target: { scheme: string; host: string };
  /** Scheme and HOST[:PORT] that the visitor asked for. */
  visitor: { scheme: string; host: string };
  /** The endpoint's prefix that the target did not see, or "". */
  stripped: string;
};

/**
 * Response headers (`name, value, …`, lower case) with Location, Content-Location, Refresh and cookies put back under the
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

/** A URL or path of the target's as the visitor has to ask for it. Other hosts' URLs stay. */
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

/** A cookie that names the target's host or path, as the endpoint's. A domain above the endpoint's own host is dropped. */
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
