import type { StreamCode } from "../shared/wire/errors.ts";
import { escapeHtml, page, prefersHtml } from "./http-page.ts";

// The edge's own answers to visitors, when there is none from the target. Private addresses and reasons are only in the edge's log,
// under the same request id.

type Code =
  | StreamCode
  | "bad-host"
  | "bad-origin"
  | "no-such-host"
  | "ambiguous-path"
  | "head-too-large"
  | "path-too-long"
  | "upgrade-only";

type ErrorText = { status: number; title: string; detail: string; retryAfter?: number };

const TEXTS: Record<Code, ErrorText> = {
  "no-mapping": { status: 404, title: "Not found", detail: "There is nothing here." },
  denied: { status: 403, title: "Not allowed", detail: "This service is not open to your address." },
  expired: {
    status: 403,
    title: "No longer open",
    detail: "This service was open for a limited time, which has ended.",
  },
  "no-agent": {
    status: 503,
    title: "The site is offline",
    detail: "The site is not connected right now.",
    retryAfter: 10,
  },
  "slot-gone": {
    status: 503,
    title: "The site is offline",
    detail: "The connection to the site was just lost.",
    retryAfter: 2,
  },
  "target-denied": {
    status: 502,
    title: "Not allowed by the site",
    detail: "The site's own rules don't allow this service to be reached.",
  },
  "target-refused": {
    status: 502,
    title: "The service is not running",
    detail: "Its machine refused the connection.",
    retryAfter: 10,
  },
  "target-unreachable": {
    status: 502,
    title: "The service can't be reached",
    detail: "Its machine can't be reached from inside the site.",
    retryAfter: 10,
  },
  "target-timeout": {
    status: 504,
    title: "The service does not answer",
    detail: "Its machine did not answer in time.",
    retryAfter: 10,
  },
  "target-unresolved": {
    status: 502,
    title: "The service can't be found",
    detail: "Its name is not known inside the site.",
  },
  "target-reset": {
    status: 502,
    title: "The service ended the connection",
    detail: "It ended the connection before it answered.",
  },
  "target-tls": {
    status: 502,
    title: "The service can't be trusted",
    detail: "A secure connection to it could not be made",
  },
  "target-protocol": {
    status: 502,
    title: "The service does not speak HTTP",
    detail: "Its answer is not a valid HTTP response.",
  },
  "visitor-gone": { status: 408, title: "Too slow", detail: "The request did not arrive in time." },
  "too-many": {
    status: 503,
    title: "Too busy",
    detail: "The limit on its visitors has been reached.",
    retryAfter: 10,
  },
  busy: { status: 503, title: "Too busy", detail: "The edge can't take another request right now.", retryAfter: 2 },
  lost: {
    status: 502,
    title: "The connection was lost",
    detail: "The connection to the site was lost before the service answered.",
    retryAfter: 2,
  },
  cut: { status: 403, title: "No longer open", detail: "The rule that let you in was removed." },
  unknown: {
    status: 502,
    title: "The connection was lost",
    detail: "The connection to the site was lost before the service answered.",
    retryAfter: 2,
  },
  loop: { status: 508, title: "A loop", detail: "The service leads back to this edge." },
  internal: {
    status: 500,
    title: "Internal error",
    detail: "This is a defect of the edge; please report it with the request id.",
  },
  "bad-host": { status: 400, title: "Bad request", detail: "The Host header is not valid." },
  "bad-origin": {
    status: 403,
    title: "Not allowed",
    detail: "A page of another host sent this request. A login is valid only for requests from this host's own pages.",
  },
  "no-such-host": { status: 404, title: "Not found", detail: "There is nothing here." },
  "ambiguous-path": {
    status: 400,
    title: "Bad request",
    detail: "The path has more than one reading. Write it without escapes, dot segments or double slashes.",
  },
  "head-too-large": {
    status: 431,
    title: "Too large",
    detail: "The request's headers are more than 31 KiB, or more than 200.",
  },
  "path-too-long": { status: 414, title: "Too long", detail: "The address is longer than 16 KiB." },
  "upgrade-only": { status: 426, title: "Bad request", detail: "The only upgrade served is WebSocket." },
};

export type HttpError = {
  request: Request;
  id: string;
  code: Code;
  status?: number;
  /** Shown only for `target-tls`, where it names nothing private. */
  reason?: string;
  site?: string;
  /** Milliseconds since 1970 when the site was last online. */
  since?: number | null;
};

/** Makes the edge's own answer to a visitor: a page for browsers, JSON or a line of text for programs. */
export function errorPage({ request, id, code, status, reason, since }: HttpError): Response {
  const text = TEXTS[code];
  const sinceText =
    since === null || since === undefined
      ? ""
      : ` Last seen ${new Date(since).toISOString().slice(0, 19).replace("T", " ")} UTC.`;
  const how = code === "target-tls" && reason !== undefined ? `: ${reason}.` : "";
  const detail = `${text.detail}${how}${sinceText}`;
  const headers = new Headers({ "cache-control": "no-store", "x-sallyport-request": id });
  if (text.retryAfter !== undefined) headers.set("retry-after", String(text.retryAfter));
  const init = { status: status ?? text.status, headers };
  if (request.method === "HEAD") return new Response(null, init);
  const accept = request.headers.get("accept") ?? "";
  if (prefersHtml(accept)) {
    const body = `<p>${escapeHtml(detail)}</p><p class="id">${init.status} · ${code} · request ${id}</p>`;
    return page(text.title, body, init);
  }
  if (/\bjson\b/.test(accept)) {
    headers.set("content-type", "application/problem+json");
    return new Response(
      `${JSON.stringify({ type: "about:blank", status: init.status, title: text.title, code, detail, request: id })}\n`,
      init,
    );
  }
  headers.set("content-type", "text/plain; charset=utf-8");
  return new Response(`${text.title}: ${detail} [${code}, request ${id}]\n`, init);
}

/** Makes a request id: short enough to read out on the telephone, unique enough to find in a log. */
export function newRequestId(): string {
  return [...crypto.getRandomValues(new Uint8Array(5))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
