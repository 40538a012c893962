import { cookieName, cookieValue } from "../../shared/http/credentials.ts";
import { isOrigin } from "../../shared/http/origin.ts";
import type { Mapping } from "../../shared/rule/mapping.ts";
import { formatPortRange } from "../../shared/address/ports.ts";
import { parsed } from "../../shared/rule/parsed.ts";
import { bracketed } from "../../shared/address/socket-address.ts";
import { registryOf } from "../registry/stub.ts";
import { errorPage, newRequestId } from "../http-error.ts";
import { escapeHtml, page, prefersHtml } from "../http-page.ts";
import { SECOND_ADDRESS_MS, type GrantWithMappings } from "../registry/grant-changes.ts";
import { forgetHosts } from "./http-routes.ts";
import type { ReservedVisit } from "./reserved-visit.ts";
import { forgetRoutes } from "./routes.ts";

const LINK = /^\/\.sallyport\/grant\/([0-9a-f]{32})$/;

/**
 * Serves the page of a grant's one-time link. A GET changes nothing, so that a chat's link preview does not use up the link.
 * A POST admits the address that it comes from, and shows the addresses of the services.
 */
export async function grantPage({ request, env, authority, visitor, path }: ReservedVisit): Promise<Response> {
  const { scheme, host } = authority;
  const secret = LINK.exec(path)?.[1];
  if (visitor === undefined) return errorPage({ request, id: newRequestId(), code: "denied" });
  if (secret === undefined) return linkEndedPage(request);
  const registry = registryOf(env);
  const address = visitor.address.text;
  const cookie = browserCookie(secret, scheme);
  const browser = cookieValue(request.headers.get("cookie"), cookie);
  if (request.method !== "POST") {
    const found = await registry.grantAt(secret, address, browser);
    if (found === null) return linkEndedPage(request);
    return found.isLearned ? admittedPage(request, found, host, address) : offerPage(request, found, path, address);
  }
  // Programs send no Origin; a form on a page of another site sends that site's origin.
  const origin = request.headers.get("origin");
  if (origin !== null && !isOrigin(origin, authority))
    return errorPage({ request, id: newRequestId(), code: "denied" });
  const used = await registry.useGrant(secret, address, browser);
  if (used === null) return linkEndedPage(request);
  // This isolate's copies of the rules would refuse the address for up to a second.
  forgetRoutes();
  forgetHosts();
  const response = admittedPage(request, used, host, address);
  if (used.browser !== null)
    response.headers.append("set-cookie", `${cookie}=${used.browser}${attributes(path, scheme)}`);
  return response;
}

/**
 * Returns the name of the cookie that identifies the first browser to use a link. Over TLS it is valid for the whole host, so its
 * name contains part of the link.
 */
function browserCookie(secret: string, scheme: "http" | "https"): string {
  return cookieName(scheme === "http" ? "grant" : `grant-${secret.slice(0, 8)}`, scheme);
}

function attributes(path: string, scheme: "http" | "https"): string {
  const where = scheme === "http" ? `; Path=${path}` : "; Path=/; Secure";
  // SameSite=Strict would withhold the cookie when the link is opened from a chat or a mail, which are other sites.
  return `${where}; HttpOnly; SameSite=Lax; Max-Age=${SECOND_ADDRESS_MS / 1000}`;
}

function offerPage(request: Request, { grant, mappings }: GrantWithMappings, path: string, address: string): Response {
  const list = mappings.map((mapping) => `<li>${escapeHtml(titleOf(mapping))}`).join("\n");
  const body = `<p>${grant.to === "" ? "" : `For ${escapeHtml(grant.to)}. `}Until ${moment(grant.until)}, this link lets your address <b>${escapeHtml(address)}</b> use:</p>
<ul>
${list}
</ul>
<form method="post" action="${path}"><button>Let my address in</button></form>
<p class="id">It works once, for one person. Open it on the network from which you will use the service.</p>`;
  return linkPage(
    request,
    "Access for a while",
    body,
    `A grant for ${address}, until ${moment(grant.until)}. POST to this URL to use it.\n`,
  );
}

function admittedPage(
  request: Request,
  { grant, mappings }: GrantWithMappings,
  host: string,
  address: string,
): Response {
  const uses = mappings.map((mapping) => ({ title: titleOf(mapping), how: howTo(mapping, host) }));
  const list = uses.map(({ title, how }) => `<dt>${escapeHtml(title)}<dd><code>${escapeHtml(how)}</code>`).join("\n");
  const body = `<p><b>${escapeHtml(address)}</b> is let in until ${moment(grant.until)}. Type this into your app:</p>
<dl>
${list}
</dl>
<p class="id">This is valid on this network only: a phone that leaves the Wi-Fi has another address. If your app is not let in,
it may use the other version of IP (4 or 6): open the link again in this browser within ten minutes.</p>`;
  const text = `${address} is let in until ${moment(grant.until)}.\n${uses.map(({ title, how }) => `${how}\t${title}\n`).join("")}`;
  return linkPage(request, "You are let in", body, text);
}

/**
 * Returns the page for links that do not exist, have ended or were used by another visitor. It is the same for all, so that a visitor can't
 * tell them apart.
 */
function linkEndedPage(request: Request): Response {
  const body = "<p>This link has ended, or it was used already. Ask for another one.</p>";
  return linkPage(
    request,
    "Link no longer valid",
    body,
    "This link has ended, or it was used already. Ask for another one.\n",
    404,
  );
}

function linkPage(request: Request, title: string, body: string, text: string, status = 200): Response {
  const headers = new Headers({ "cache-control": "no-store", "x-robots-tag": "noindex" });
  if (!prefersHtml(request.headers.get("accept") ?? "")) {
    headers.set("content-type", "text/plain; charset=utf-8");
    return new Response(request.method === "HEAD" ? null : text, { status, headers });
  }
  const shown = page(title, body, { status, headers });
  // So that the form's request carries its Origin, which distinguishes it from a form on another site.
  shown.headers.set("referrer-policy", "same-origin");
  return shown;
}

function titleOf({ name, endpoint }: Mapping): string {
  return name === "" ? endpoint : name;
}

function howTo(mapping: Mapping, host: string): string {
  const { endpoint } = parsed(mapping);
  switch (endpoint.kind) {
    case "port": {
      const transport = endpoint.transport === "tcp+udp" ? "TCP and UDP" : endpoint.transport.toUpperCase();
      const range = formatPortRange(endpoint);
      return range.includes("-")
        ? `${bracketed(host)}, ports ${range} (${transport})`
        : `${bracketed(host)}:${range} (${transport})`;
    }
    case "http":
    case "service":
      return mapping.endpoint;
  }
}

function moment(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}
