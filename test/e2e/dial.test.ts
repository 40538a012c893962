/** How connections to an edge are made: by proxies made by hand, and to edges whose certificates are good or not. */
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { X509Certificate } from "node:crypto";
import { expect, test } from "vitest";
import { ask } from "../../link/dial/ask.ts";
import { Dialler } from "../../link/dial/dialler.ts";
import { always, parseProxy } from "../../link/dial/proxy.ts";
import { readAuthorities, Trust } from "../../link/dial/trust.ts";
import { DialError, type RetryableFault } from "../../link/fault.ts";
import { Problem } from "../../link/problem.ts";
import { authority } from "../support/certificates.ts";
import { connectProxy, type ProxyOptions } from "../support/connect-proxy.ts";
import { httpOrigin } from "../support/http.ts";
import { loopback } from "../support/net.ts";
import { tcpServer } from "../support/peers.ts";
import { tempDir } from "../support/temp-dir.ts";

const EDGE = new URL("wss://edge.test");
const NEVER = new AbortController().signal;
const LOGIN = "ann:open sesame";
const CREDENTIALS = "ann:open%20sesame";

function by(url: string, timeoutMs?: number): Dialler {
  return new Dialler({ proxy: always(parseProxy(url, "--proxy")), timeoutMs });
}

async function faultOf(dialler: Dialler, edge = EDGE): Promise<RetryableFault> {
  try {
    (await dialler.connect(edge, NEVER)).destroy();
  } catch (error) {
    if (error instanceof DialError) return error.fault;
    throw error;
  }
  throw new Error("it was connected");
}

const NTLM = "HTTP/1.1 407 Nope\r\nProxy-Authenticate: Negotiate\r\nProxy-Authenticate: NTLM\r\n\r\n";
const BOTH = `HTTP/1.1 407 Nope\r\nProxy-Authenticate: Negotiate, Digest realm="a, Basic b", nonce="x", Basic realm="c"\r\n\r\n`;

test.each<[what: string, options: ProxyOptions, fault: object]>([
  [
    "wants a login",
    { login: LOGIN },
    { code: "proxy-login", reason: /wants a user and a password/, fix: /USER:PASSWORD@HOST/ },
  ],
  ["wants it in several ways", { says: BOTH }, { code: "proxy-login", reason: /wants a user and a password/ }],
  [
    "takes NTLM and Negotiate",
    { says: NTLM },
    { code: "proxy-login", reason: /by Negotiate or NTLM only; Sallyport speaks Basic/, fix: /cntlm/, afterMs: 60_000 },
  ],
  [
    "wants a login and does not say how",
    { says: "HTTP/1.1 407 \r\n\r\n" },
    { code: "proxy-login", reason: /does not say/ },
  ],
  [
    "permits nothing",
    { says: "HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\n\r\n<html>no</html>" },
    {
      code: "proxy-denied",
      reason: /does not permit a connection to edge\.test:443 \(403 Forbidden\)/,
      fix: /CONNECT to edge\.test:443/,
    },
  ],
  [
    "can't reach it",
    {},
    { code: "proxy-upstream", reason: /could not reach edge\.test:443 \(502 Bad Gateway\)/, afterMs: 0 },
  ],
  [
    "is late itself",
    { says: "HTTP/1.1 504 Gateway Timeout\r\n\r\n" },
    { code: "proxy-upstream", reason: /504 Gateway Timeout/ },
  ],
  [
    "is a web server",
    { says: "HTTP/1.1 405 Method Not Allowed\r\n\r\n" },
    { code: "not-a-proxy", reason: /does not take CONNECT \(405/ },
  ],
  [
    "redirects",
    { says: "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n" },
    { code: "not-a-proxy", reason: /\(302 Found\)/, fix: /captive portal/ },
  ],
  [
    "answers with a page",
    { says: "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>" },
    { code: "not-a-proxy", reason: /a page or a redirect/ },
  ],
  [
    "answers with a page that it does not call one",
    { says: "HTTP/1.0 200 OK\r\n\r\n<html>" },
    { code: "not-a-proxy", reason: /a page or a redirect/ },
  ],
  ["is an SSH server", { says: "SSH-2.0-OpenSSH_9.2\r\n" }, { code: "not-a-proxy", reason: /does not answer in HTTP/ }],
  [
    "talks without end",
    { says: `HTTP/1.1 200 OK\r\nX: ${"x".repeat(100_000)}\r\n\r\n` },
    { code: "not-a-proxy", reason: /HPE_HEADER_OVERFLOW/ },
  ],
  ["hangs up", { says: "" }, { code: "proxy-unreachable", reason: /broke the connection off/ }],
  [
    "hides escape codes in its answer",
    { says: "HTTP/1.1 500 \u001b[2J\r\n\r\n" },
    { code: "proxy-upstream", reason: /^[ -~]*$/ },
  ],
])("a proxy that %s is told apart", async (_what, options, { ...expected }) => {
  await using proxy = await connectProxy(options);
  const fault = await faultOf(by(proxy.url()));
  expect(fault).toMatchObject(matching(expected));
  expect(fault.reason).toContain(`the proxy http://127.0.0.1:${proxy.port} (--proxy)`);
  expect(proxy.heads).toHaveLength(1);
});

function matching(expected: object): object {
  const entries = Object.entries(expected).map(([key, value]: [string, unknown]) => [
    key,
    value instanceof RegExp ? expect.stringMatching(value) : value,
  ]);
  return Object.fromEntries(entries) as object;
}

test("a login that is refused is tried again after five minutes only, and is not in the message", async () => {
  await using proxy = await connectProxy({ login: LOGIN });
  const fault = await faultOf(by(proxy.url("ann:wrong-one")));
  expect(fault).toMatchObject({
    code: "proxy-login",
    afterMs: 300_000,
    reason: expect.stringContaining("does not accept this user"),
  });
  expect(JSON.stringify(fault)).not.toMatch(/ann|wrong-one/);
});

test("a proxy that says nothing is given up in time, also in the midst of TLS", async () => {
  await using silent = await connectProxy({ says: null });
  expect(await faultOf(by(silent.url(), 200))).toMatchObject({
    code: "proxy-unreachable",
    reason: expect.stringContaining("did not answer in time when it was asked for edge.test:443"),
  });
  const tls = await faultOf(by(silent.url().replace("http", "https"), 200));
  expect(tls).toMatchObject({
    reason: expect.stringMatching(/^the TLS handshake with the proxy https:.* did not answer in time$/),
  });
});

test("a proxy whose name does not resolve, and one whose port is shut, are told apart", async () => {
  expect(await faultOf(by("http://no-such-proxy.invalid:3128"))).toMatchObject({
    code: "proxy-unresolved",
    reason: expect.stringMatching(/the name of the proxy http:\/\/no-such-proxy\.invalid:3128 .* does not resolve/),
  });
  const proxy = await connectProxy();
  await proxy.stop();
  expect(await faultOf(by(proxy.url()))).toMatchObject({
    code: "proxy-refused",
    reason: expect.stringContaining("nothing listens at the proxy"),
  });
});

test("dialling ends at once when it is told to", async () => {
  await using silent = await connectProxy({ says: null });
  const stop = new AbortController();
  const dialling = by(silent.url(), 600_000).connect(EDGE, stop.signal);
  stop.abort();
  await expect(dialling).rejects.toThrow(DialError);
});

test.each<[string, ProxyOptions]>([
  ["HTTP/1.1", {}],
  ["HTTP/1.0", { version: "1.0" }],
  ["IPv6", { listen: "::1" }],
  ["a login", { login: LOGIN }],
])("a proxy leads on, and what the far end says first is not lost: %s", async (_what, options) => {
  await using peer = await tcpServer(loopback(), 0, (socket) => socket.end("greetings"));
  await using proxy = await connectProxy({ ...options, places: { "edge.test:80": peer } });
  const socket = await by(proxy.url(CREDENTIALS)).connect(new URL("ws://edge.test"), NEVER);
  expect(await text(socket)).toBe("greetings");
  expect(proxy.heads).toEqual([expect.stringMatching(/^CONNECT edge\.test:80 HTTP\/1\.1\r\nhost: edge\.test:80\r\n/i)]);
  expect(proxy.heads[0]).toContain(`Basic ${Buffer.from(LOGIN).toString("base64")}`);
  expect(proxy.heads[0]).not.toMatch(/^connection: close/im);
});

test("bytes that come in one piece with the proxy's answer are the far end's", async () => {
  await using proxy = await connectProxy({ says: "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ngreetings" });
  const socket = await by(proxy.url()).connect(new URL("ws://edge.test"), NEVER);
  expect(await text(socket)).toBe("greetings");
});

/** An edge that answers every request with JSON, and counts them. */
async function edgeWith(files: {
  cert: string;
  key: string;
}): Promise<AsyncDisposable & { host: string; port: number; asked: string[] }> {
  const asked: string[] = [];
  const options = { cert: await readFile(files.cert), key: await readFile(files.key) };
  const server: Server = createServer(options, (request, response) => {
    asked.push(`${request.headers.host} ${request.method} ${request.url} ${request.headers.authorization ?? ""}`);
    if (request.url === "/moved") response.writeHead(302, { location: "https://elsewhere.test/" });
    response.end('{"ok":true}');
  });
  const host = loopback();
  server.listen(0, host);
  await once(server, "listening");
  return {
    host,
    port: (server.address() as AddressInfo).port,
    asked,
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

test("a token passes a proxy inside TLS only, a redirect is not followed, and an answer is read whole", async () => {
  await using folder = await tempDir();
  const root = await authority(folder.path, "/O=Acme/CN=Acme Root");
  await using edge = await edgeWith(await root.issue("edge.test"));
  await using proxy = await connectProxy({ login: LOGIN, places: { "edge.test:443": edge } });
  const trust = new Trust(readAuthorities(root.file));
  const dialler = new Dialler({ proxy: always(parseProxy(proxy.url(CREDENTIALS), "--proxy")), trust });
  const headers = { authorization: "Bearer secret-token" };
  const asked = (path: string) =>
    ask(dialler, new URL(path, "https://edge.test"), { headers, limit: 1_000, timeoutMs: 10_000 });
  expect(await asked("/x?y=1")).toMatchObject({ status: 200, body: { ok: true } });
  expect(await asked("/moved")).toMatchObject({ status: 302 });
  expect(edge.asked).toEqual(["edge.test GET /x?y=1 Bearer secret-token", "edge.test GET /moved Bearer secret-token"]);
  expect(proxy.heads).toHaveLength(2);
  expect(proxy.heads.join() + proxy.up).not.toContain("secret-token");
  // Nor does the proxy's login reach the edge: what it got is all there was.
  expect(proxy.up).not.toContain("roxy-");
});

test("an answer is read as far as it may go, and refused with its first byte over that", async () => {
  const sent = "x".repeat(300_000);
  await using server = await httpOrigin((_, response) => void response.end(JSON.stringify(sent)));
  const url = new URL(server.url);
  const asked = (limit: number) => ask(new Dialler(), url, { limit, timeoutMs: 10_000 });
  expect((await asked(sent.length + 2)).body).toBe(sent);
  await expect(asked(sent.length + 1)).rejects.toMatchObject({ fault: { code: "answer-too-large" } });
});

test("a proxy may speak TLS: its certificate is judged as the edge's is, with the authorities of --ca", async () => {
  await using folder = await tempDir();
  const root = await authority(folder.path, "/O=Acme/CN=Acme Root");
  await using edge = await edgeWith(await root.issue("edge.test"));
  const tls = await root.issue("127.0.0.1");
  await using proxy = await connectProxy({ tls, login: LOGIN, places: { "edge.test:443": edge } });
  const url = proxy.url(CREDENTIALS);
  expect(await faultOf(by(url))).toMatchObject({
    code: "tls-issuer",
    reason: expect.stringMatching(
      /^the certificate of the proxy https:\/\/127\.0\.0\.1:\d+ \(--proxy\) is issued by "Acme Root" of "Acme"/,
    ),
  });
  expect(proxy.heads).toEqual([]);
  const trust = new Trust(readAuthorities(root.file));
  const dialler = new Dialler({ proxy: always(parseProxy(url, "--proxy")), trust });
  const answer = await ask(dialler, new URL("https://edge.test/"), { limit: 1_000, timeoutMs: 10_000 });
  expect(answer).toMatchObject({ status: 200, body: { ok: true } });
  // One that is spoken to in plain text says so in its way.
  expect(await faultOf(by(url.replace("https", "http")))).toMatchObject({
    code: expect.stringMatching(/^not-a-proxy|proxy-unreachable$/),
  });
});

test("a certificate that is not believed is told apart, with names and dates, and nothing is said to who shows it", async () => {
  await using folder = await tempDir();
  const root = await authority(folder.path, "/O=Acme/CN=Acme Root");
  const inspection = await root.below("/O=Acme/CN=Acme TLS Inspection");
  const day = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10);
  const own = new Trust(readAuthorities(root.file));
  const cases: [files: { cert: string; key: string }, trust: Trust, fault: object][] = [
    [
      await root.issue("edge.test"),
      new Trust(),
      { code: "tls-issuer", reason: /issued by "Acme Root" of "Acme", which is not trusted here/, fix: /--ca FILE/ },
    ],
    [
      await inspection.issue("edge.test"),
      new Trust(),
      { code: "tls-issuer", reason: /issued by "Acme TLS Inspection" of "Acme"/, afterMs: 60_000 },
    ],
    [
      await inspection.issue("edge.test", { isBare: true }),
      own,
      { code: "tls-issuer", reason: /Acme TLS Inspection/, fix: /fullchain\.pem/ },
    ],
    [
      await root.issue("edge.test", { from: -9, until: -3 }),
      own,
      { code: "tls-expired", reason: new RegExp(`expired on ${day(-3)}`) },
    ],
    [
      await root.issue("edge.test", { from: 3, until: 9 }),
      own,
      { code: "tls-early", reason: new RegExp(`not valid before ${day(3)}`), fix: /clock/ },
    ],
    [await root.issue("other.test"), own, { code: "tls-name", reason: /is for other\.test, not for edge\.test/ }],
    [
      await root.issue("portal.test"),
      new Trust(),
      { code: "tls-name", reason: /is for portal\.test, not for edge\.test/, fix: /captive portal/ },
    ],
  ];
  for (const [files, trust, expected] of cases) {
    await using edge = await edgeWith(files);
    await using proxy = await connectProxy({ places: { "edge.test:443": edge } });
    const dialler = new Dialler({ proxy: always(parseProxy(proxy.url(), "--proxy")), trust });
    const fault = await faultOf(dialler);
    expect(fault).toMatchObject(matching(expected));
    expect(fault.reason).toMatch(/^the certificate of edge\.test:443 /);
    expect(edge.asked).toEqual([]);
  }
});

test("a certificate that is its own issuer is told as that, and an edge without TLS as one", async () => {
  await using folder = await tempDir();
  const self = await authority(folder.path, "/O=Home/CN=edge.test");
  await using edge = await edgeWith({ cert: self.file, key: self.file.replace("ca.pem", "ca.key") });
  await using plain = await tcpServer(loopback(), 0, (socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
  await using proxy = await connectProxy({ places: { "edge.test:443": edge, "edge.test:80": plain } });
  expect(await faultOf(by(proxy.url()))).toMatchObject({
    code: "tls-issuer",
    reason: expect.stringContaining('is signed by itself ("edge.test" of "Home")'),
  });
  expect(await faultOf(by(proxy.url()), new URL("wss://edge.test:80"))).toMatchObject({
    code: "tls",
    reason: expect.stringMatching(/^the TLS handshake with edge\.test:80 failed/),
  });
});

test("--ca takes one or several certificates, in PEM or DER, a root or an authority below one, beside the usual ones", async () => {
  await using folder = await tempDir();
  const root = await authority(folder.path, "/O=Acme/CN=Acme Root");
  const inspection = await root.below("/O=Acme/CN=Acme TLS Inspection");
  const other = await authority(folder.path, "/O=Other/CN=Other Root");
  const files = await inspection.issue("edge.test");
  await using edge = await edgeWith(files);
  await using proxy = await connectProxy({ places: { "edge.test:443": edge } });
  const [rootPem, otherPem] = await Promise.all([readFile(root.file, "utf8"), readFile(other.file, "utf8")]);
  const inspectionPem = await readFile(inspection.file, "utf8");
  const contents: Record<string, string | Buffer> = {
    one: rootPem,
    several: `# ours\n${otherPem}\nnot ours\n${rootPem}`,
    crlf: rootPem.replaceAll("\n", "\r\n"),
    der: new X509Certificate(rootPem).raw,
    "below the root": inspectionPem,
  };
  for (const [name, content] of Object.entries(contents)) {
    const file = join(folder.path, name);
    await writeFile(file, content);
    const trust = new Trust(readAuthorities(file));
    const dialler = new Dialler({ proxy: always(parseProxy(proxy.url(), "--proxy")), trust });
    const answer = await ask(dialler, new URL("https://edge.test/"), { limit: 1_000, timeoutMs: 10_000 });
    expect(answer, name).toMatchObject({ status: 200 });
  }
  expect(readAuthorities(join(folder.path, "several"))).toHaveLength(2);
});

test("a CA file that can't be used is a clear error with its name", async () => {
  await using folder = await tempDir();
  const root = await authority(folder.path, "/O=Acme/CN=Acme Root");
  const pem = await readFile(root.file, "utf8");
  const key = await readFile(root.file.replace("ca.pem", "ca.key"), "utf8");
  const bad: [content: string | Buffer | null, cause: RegExp][] = [
    [null, /can't be read \(ENOENT\)/],
    ["", /has no certificate in it/],
    ["hello", /has no certificate in it/],
    [key, /has no certificate in it/],
    [pem.slice(0, 200), /has no certificate in it/],
    [pem + pem.replace(/[A-Za-z0-9+/]{60}\n/, ""), /its certificate number 2 can't be read/],
    [Buffer.from([0x30, 0x82, 1, 2, 3]), /neither PEM nor DER/],
  ];
  for (const [content, cause] of bad) {
    const file = join(folder.path, "bad");
    if (content !== null) await writeFile(file, content);
    const problem = ((): unknown => {
      try {
        return readAuthorities(file);
      } catch (error) {
        return error;
      }
    })();
    expect(problem).toBeInstanceOf(Problem);
    expect(problem).toMatchObject({ exit: 3, message: expect.stringMatching(cause) });
    expect(problem).toMatchObject({ message: expect.stringContaining(file) });
  }
});
