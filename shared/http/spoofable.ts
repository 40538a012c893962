// Headers by which proxies tell a server the visitor's identity and address, and what was asked for. Servers believe them, so
// the edge must not pass on a visitor's own. docs/http.md has the same list.

/** `route`: where a request comes from and what it asks for. `identity`: the visitor, as a proxy has authenticated it. */
export type Spoofable = "route" | "identity";

type Listed = { readonly names: readonly string[]; readonly prefixes: readonly string[] };

/** Checked first, because `x-forwarded-user` is not a `route` like the other `x-forwarded-…`. */
const IDENTITY: Listed = {
  names: [
    "client-cert",
    "client-cert-chain",
    "iv-user",
    "iv-groups",
    "remote-email",
    "remote-groups",
    "remote-name",
    "remote-user",
    "http-remote-user",
    "sm-user",
    "x-forwarded-access-token",
    "x-forwarded-email",
    "x-forwarded-groups",
    "x-forwarded-preferred-username",
    "x-forwarded-user",
    "x-userinfo",
  ],
  prefixes: [
    "oidc-",
    "shib-",
    "ssl-client-",
    "tailscale-",
    "x-amzn-mtls-",
    "x-amzn-oidc-",
    "x-appengine-user-",
    "x-arr-clientcert",
    "x-auth-request-",
    "x-authenticated-",
    "x-authentik-",
    "x-client-cert",
    "x-client-dn",
    "x-client-verify",
    "x-clientcert",
    "x-consumer-",
    "x-forwarded-client-cert",
    "x-forwarded-tls-client-",
    "x-goog-authenticated-user-",
    "x-goog-iap-",
    "x-ms-client-principal",
    "x-ms-token-",
    "x-pomerium-",
    "x-proxy-user",
    "x-remote-email",
    "x-remote-extra-",
    "x-remote-group",
    "x-remote-name",
    "x-remote-user",
    "x-ssl",
    "x-tls-client-",
    "x-webauth-",
  ],
};

const ROUTE: Listed = {
  names: [
    "base-url",
    "cdn-loop",
    "fastly-client",
    "front-end-https",
    "http-forwarded",
    // CGI programs read it as the address of a proxy to use (httpoxy).
    "proxy",
    "remote-addr",
    "remote-host",
    "remote-port",
    "x-azure-socketip",
    "x-backend-host",
    "x-cdn-src-ip",
    "x-coming-from",
    "x-custom-ip-authorization",
    "x-host",
    "x-http-destinationurl",
    "x-http-host-override",
    "x-original-args",
    "x-original-for",
    "x-original-host",
    "x-original-method",
    "x-original-path",
    "x-original-port",
    "x-original-proto",
    "x-original-remote-addr",
    "x-original-remote-port",
    "x-original-scheme",
    "x-original-uri",
    "x-original-url",
    "x-originally-forwarded-for",
    "x-remote-addr",
    "x-remote-host",
    "x-remote-port",
    "x-scheme",
    "x-trusted-ip",
    "x-url-scheme",
  ],
  prefixes: [
    "fly-forwarded-",
    "forwarded",
    "http-x-forwarded",
    "x-appengine-",
    "x-arr-",
    "x-envoy-",
    "x-forwarded",
    "x-original-forwarded",
    "x-rewrite-",
    "x-sallyport-",
    "x-vercel-",
  ],
};

/**
 * Such names with any prefix: `client-ip`, `x-cluster-client-ip`, `wl-proxy-client-ip`, `x-azure-clientip`, `ali-cdn-real-ip`.
 */
const ADDRESS = /(?:^|-)(?:client|connecting|originating|peer|proxyuser|real|remote|source|true|user)-?ip(?:v6)?$/;

/** Classifies a header that only a proxy may send; null for every other. `name` as `asServersRead` returns it. */
export function spoofable(name: string): Spoofable | null {
  if (has(IDENTITY, name)) return "identity";
  return has(ROUTE, name) || ADDRESS.test(name) ? "route" : null;
}

/**
 * Turns a header's name, in lower case, into what CGI, WSGI and PHP read: to them all other characters than letters and digits
 * are the same.
 */
export function asServersRead(name: string): string {
  return name.replace(/[^a-z0-9]/g, "-");
}

function has({ names, prefixes }: Listed, name: string): boolean {
  return names.includes(name) || prefixes.some((prefix) => name.startsWith(prefix));
}
