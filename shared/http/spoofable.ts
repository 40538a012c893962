// Headers by which proxies tell a server who asks, from where, and for what. Servers believe them, so a visitor must not be
// able to write one. docs/http.md has the same list in words.

/** `route`: where a request comes from and what it asks for. `identity`: who a proxy has found out the visitor to be. */
export type Spoofable = "route" | "identity";

type Listed = { readonly names: readonly string[]; readonly prefixes: readonly string[] };

/** Looked at first: `x-forwarded-user` is not what the other `x-forwarded-…` are. */
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
    // CGI programs find it where the address of a proxy stands (httpoxy).
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

/** Whatever comes before it: `client-ip`, `x-cluster-client-ip`, `wl-proxy-client-ip`, `x-azure-clientip`, `ali-cdn-real-ip`. */
const ADDRESS = /(?:^|-)(?:client|connecting|originating|peer|proxyuser|real|remote|source|true|user)-?ip(?:v6)?$/;

/** What a header tells a server that only a proxy may tell it; null for every other. `name` as `asRead` gives it. */
export function spoofable(name: string): Spoofable | null {
  if (has(IDENTITY, name)) return "identity";
  return has(ROUTE, name) || ADDRESS.test(name) ? "route" : null;
}

/** A header's name, in lower case, as CGI, WSGI and PHP read it: whatever is no letter or digit is one and the same to them. */
export function asServersRead(name: string): string {
  return name.replace(/[^a-z0-9]/g, "-");
}

function has({ names, prefixes }: Listed, name: string): boolean {
  return names.includes(name) || prefixes.some((prefix) => name.startsWith(prefix));
}
