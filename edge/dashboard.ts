import files from "dashboard:files";
import { errorPage, newRequestId } from "./http-error.ts";
import type { ReservedVisit } from "./ingress/reserved-visit.ts";

/** Content-Security-Policy: only the dashboard's own files, no scripts made from text, no frames around the page. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
  "require-trusted-types-for 'script'",
].join("; ");

type File = { type: string; gzipped: Uint8Array; name: string };

const byName = new Map(files.map(({ name, type, body }) => [name, { name, type, gzipped: bytesOf(body) }]));

/** Serves the dashboard's page and its files, all of which are part of the Worker. */
export async function serveDashboard({ request, path }: ReservedVisit): Promise<Response> {
  const asset = /^\/\.sallyport\/assets\/([\w.-]+)$/.exec(path)?.[1];
  const file = byName.get(asset ?? (path.startsWith("/.sallyport/assets") ? "" : "index.html"));
  if (file === undefined || asset === "index.html")
    return errorPage({ request, id: newRequestId(), code: "no-such-host" });
  const headers = new Headers({
    "content-type": file.type,
    // A file's name contains a hash of its content, so it never changes. The page links the current ones.
    "cache-control": asset === undefined ? "no-cache" : "public, max-age=31536000, immutable",
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    vary: "accept-encoding",
  });
  return respond(file, request, headers);
}

/** Sends a file as gzip to browsers that accept it, else decompressed. workerd itself compresses nothing. */
async function respond({ gzipped }: File, request: Request, headers: Headers): Promise<Response> {
  const isHead = request.method === "HEAD";
  if (/\bgzip\b/.test(request.headers.get("accept-encoding") ?? "")) {
    headers.set("content-encoding", "gzip");
    return new Response(isHead ? null : gzipped, { headers, encodeBody: "manual" });
  }
  const plain = new Response(gzipped).body?.pipeThrough(new DecompressionStream("gzip")) ?? null;
  return new Response(isHead ? null : plain, { headers });
}

function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
