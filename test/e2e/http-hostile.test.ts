import { expect, test } from "vitest";
import { askHttp, rawTarget, rawVisit } from "../support/http.ts";
import { testSite } from "../support/site.ts";

const HOST = "shop.localhost";

/** What a target may get: one request line, plain headers, at most one framing. */
function wellFormed(bytes: string): void {
  const end = bytes.indexOf("\r\n\r\n");
  const [line = "", ...headers] = bytes.slice(0, end).split("\r\n");
  expect(line).toMatch(/^[A-Z]+ \/[\x21-\x7e\x80-\xff]* HTTP\/1\.1$/);
  const names = headers.map(
    (header) =>
      /^([!#$%&'*+.^_`|~0-9A-Za-z-]+): ([\t\x20-\x7e\x80-\xff]*)$/.exec(header)?.[1]?.toLowerCase() ?? `BAD ${header}`,
  );
  expect(names.filter((name) => name.startsWith("BAD"))).toEqual([]);
  const count = (wanted: string) => names.filter((name) => name === wanted).length;
  expect(count("host")).toBe(1);
  expect(count("content-length") + count("transfer-encoding")).toBeLessThanOrEqual(1);
  for (const name of ["te", "upgrade", "trailer", "keep-alive", "proxy-connection", "http2-settings"])
    expect({ name, count: count(name) }).toEqual({ name, count: 0 });
  const length = /\r\ncontent-length: (\d+)\r\n/i.exec(`${bytes.slice(0, end)}\r\n`)?.[1];
  const body = bytes.slice(end + 4);
  if (length !== undefined) expect(body.length).toBe(Number(length));
  else if (count("transfer-encoding") === 1) expect(body).toMatch(/^(?:[0-9a-f]+\r\n[^]*?\r\n)*0\r\n\r\n$/);
  else expect(body).toBe("");
}

/** Each line: what it is, the request's bytes, and whether a target may see it at all. PORT and HOST are put in. */
const REQUESTS: [string, string][] = [
  ["two lengths that differ", "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"],
  ["two equal lengths", "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello"],
  ["a list of lengths", "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5, 5\r\n\r\nhello"],
  ["a signed length", "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: +5\r\n\r\nhello"],
  ["a hexadecimal length", "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0x5\r\n\r\nhello"],
  ["a negative length", "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: -1\r\n\r\nhello"],
  ["a length of 2^64+2", "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 18446744073709551618\r\n\r\nhi"],
  [
    "CL.TE",
    "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 30\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /evil HTTP/1.1\r\nX: y",
  ],
  [
    "TE.CL",
    "POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
  ],
  [
    "TE.TE",
    "POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
  ],
  [
    "chunked twice",
    "POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
  ],
  ["gzip, chunked", "POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"],
  [
    "chunked in another case",
    "POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: cHuNkEd\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
  ],
  [
    "an obscured encoding",
    "POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding:\x0bchunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
  ],
  [
    "an encoding with a space before the colon",
    "POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding : chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
  ],
  [
    "an underscored encoding",
    "POST / HTTP/1.1\r\nHost: HOST\r\nTransfer_Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello",
  ],
  [
    "chunk extensions",
    "POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\n\r\n",
  ],
  [
    "a chunk extension with a line feed",
    "POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n5;a\nb\r\nhello\r\n0\r\n\r\n",
  ],
  [
    "trailers",
    "POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nContent-Length: 9\r\nAuthorization: x\r\nHost: evil\r\n\r\n",
  ],
  ["a length without a body (CL.0)", "GET / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5\r\n\r\nhello"],
  ["bare line feeds", "GET / HTTP/1.1\nHost: HOST\nX-A: 1\n\n"],
  ["a folded header", "GET / HTTP/1.1\r\nHost: HOST\r\nX-A: 1\r\n Content-Length: 5\r\n\r\n"],
  ["a bare CR in a header", "GET / HTTP/1.1\r\nHost: HOST\r\nX-A: 1\rContent-Length: 5\r\n\r\n"],
  ["a NUL in a header", "GET / HTTP/1.1\r\nHost: HOST\r\nX-A: 1\0\r\n\r\n"],
  ["a header without a name", "GET / HTTP/1.1\r\nHost: HOST\r\n: 1\r\n\r\n"],
  ["a header name with a space", "GET / HTTP/1.1\r\nHost: HOST\r\nX A: 1\r\n\r\n"],
  ["a header name in UTF-8", "GET / HTTP/1.1\r\nHost: HOST\r\nX-\xc3\xa9: 1\r\n\r\n"],
  ["pseudo-headers", "GET / HTTP/1.1\r\nHost: HOST\r\n:authority: evil\r\n\r\n"],
  ["__proto__", "GET / HTTP/1.1\r\nHost: HOST\r\n__proto__: 1\r\nconstructor: 1\r\n\r\n"],
  ["a header value in latin1", "GET / HTTP/1.1\r\nHost: HOST\r\nX-A: \xe9\xff\r\n\r\n"],
  [
    "upgrade to h2c",
    "GET / HTTP/1.1\r\nHost: HOST\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
  ],
  ["TE: trailers", "GET / HTTP/1.1\r\nHost: HOST\r\nConnection: TE\r\nTE: trailers\r\n\r\n"],
  [
    "Connection takes the length away",
    "POST / HTTP/1.1\r\nHost: HOST\r\nConnection: content-length, host\r\nContent-Length: 5\r\n\r\nhello",
  ],
  ["a request line in a header", "GET / HTTP/1.1\r\nHost: HOST\r\nX-A: b\\r\\nGET /evil HTTP/1.1\r\n\r\n"],
  ["CR and LF escaped in the path", "GET /%0d%0aX-Evil:1 HTTP/1.1\r\nHost: HOST\r\n\r\n"],
  ["a space in the path", "GET /a b HTTP/1.1\r\nHost: HOST\r\n\r\n"],
  ["a tab in the path", "GET /a\tb HTTP/1.1\r\nHost: HOST\r\n\r\n"],
  ["a CR in the method", "GE\rT / HTTP/1.1\r\nHost: HOST\r\n\r\n"],
  ["an unknown method", "FROB / HTTP/1.1\r\nHost: HOST\r\n\r\n"],
  ["HTTP/0.9", "GET /\r\n\r\n"],
  ["HTTP/1.0", "GET / HTTP/1.0\r\nHost: HOST\r\n\r\n"],
  ["HTTP/2.0", "GET / HTTP/2.0\r\nHost: HOST\r\n\r\n"],
  ["HTTP/1.1 with more after it", "GET / HTTP/1.1\r\nX:\r\nHost: HOST\r\n\r\n"],
  ["a fragment", "GET /a#b HTTP/1.1\r\nHost: HOST\r\n\r\n"],
  ["OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: HOST\r\n\r\n"],
  ["two slashes", "GET //evil.example/x HTTP/1.1\r\nHost: HOST\r\n\r\n"],
  ["Expect without a body", "POST / HTTP/1.1\r\nHost: HOST\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n"],
  ["Expect something else", "POST / HTTP/1.1\r\nHost: HOST\r\nExpect: 200-ok\r\nContent-Length: 5\r\n\r\nhello"],
];

test("whatever a visitor sends, a target gets at most one request for it, well-formed and framed anew", async () => {
  await using site = await testSite();
  await using target = await rawTarget();
  const { edge } = site;
  await site.map(`http://${HOST}`, `http://${target.host}:${target.port}`);
  const heard = new Map<string, number>();
  for (const [what, bytes] of REQUESTS) {
    const before = target.received.map((each) => each.length);
    const request = bytes
      .replaceAll("HOST", `${HOST}:8787`)
      .replace(/\r?\n\r?\n/, (end) => `${end.slice(0, end.length / 2)}Connection: close${end}`);
    const sent = /Connection: (?!close)/.test(request.split("\r\n\r\n")[0]?.replace(/Connection: close$/, "") ?? "")
      ? bytes.replaceAll("HOST", `${HOST}:8787`)
      : request;
    const answer = await Promise.race([
      rawVisit(edge.host, 8787, sent),
      new Promise<string>((resolve) => setTimeout(resolve, 1500, "")),
    ]);
    const fresh = target.received.map((each, index) => each.slice(before[index] ?? 0)).filter((each) => each !== "");
    expect({ what, requests: fresh.length <= 1 }).toEqual({ what, requests: true });
    for (const each of fresh) {
      try {
        wellFormed(each);
      } catch (error) {
        throw new Error(`${what}: ${JSON.stringify(each)}`, { cause: error });
      }
      expect(each).not.toMatch(/^[A-Z]+ \/evil/);
    }
    if (fresh.length === 0 && answer !== "")
      expect({ what, answer: answer.slice(0, 12) }).toMatchObject({
        answer: expect.stringMatching(/^HTTP\/1\.[01] [45]/) as unknown,
      });
    heard.set(what, fresh.length);
  }
  // The honest and the merely odd do get through.
  for (const what of ["chunk extensions", "HTTP/1.0", "two slashes", "__proto__", "CR and LF escaped in the path"]) {
    expect({ what, heard: heard.get(what) }).toEqual({ what, heard: 1 });
  }
});

const HOSTS: [string, string][] = [
  ["two of them", "Host: HOST\r\nHost: evil.example"],
  ["a list", "Host: HOST, evil.example"],
  ["a user", "Host: HOST@evil.example"],
  ["a user before it", "Host: evil.example@HOST"],
  ["a path", "Host: HOST/evil"],
  ["a query", "Host: HOST?x"],
  ["a backslash", "Host: HOST\\evil"],
  ["an escape", "Host: shop%2elocalhost:8787"],
  ["a space", "Host: shop. localhost"],
  ["none", "X: y"],
  ["an empty one", "Host: "],
  ["another port", "Host: shop.localhost:1"],
  ["no port at all", "Host: shop.localhost"],
  ["a port of letters", "Host: shop.localhost:x"],
  ["a port of six digits", "Host: shop.localhost:008787"],
  ["an unknown host", "Host: other.localhost:8787"],
  ["a child", "Host: a.shop.localhost:8787"],
  ["full-width dots", "Host: shop\xe3\x80\x82localhost:8787"],
];

test("a host is read in one way: what can't be leads nowhere, and nothing says what exists", async () => {
  await using site = await testSite();
  await using target = await rawTarget();
  const { edge } = site;
  await site.map(`http://${HOST}:8787`, `http://${target.host}:${target.port}`);
  for (const [what, headers] of HOSTS) {
    const request = `GET /x HTTP/1.1\r\n${headers.replaceAll("HOST", `${HOST}:8787`)}\r\nConnection: close\r\n\r\n`;
    const answer = await rawVisit(edge.host, 8787, request);
    expect({ what, status: answer.slice(9, 12) }).toMatchObject({
      what,
      status: expect.stringMatching(/^(?:400|404|500)$/) as unknown,
    });
    expect(answer).not.toContain("shop");
  }
  expect(target.received).toEqual([]);
  for (const host of ["SHOP.localhost:8787", "shop.localhost.:8787"]) {
    const answer = await rawVisit(edge.host, 8787, `GET /x HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
  }
  const absolute = `GET http://evil.example/x HTTP/1.1\r\nHost: ${HOST}:8787\r\nConnection: close\r\n\r\n`;
  expect(await rawVisit(edge.host, 8787, absolute)).toMatch(/^HTTP\/1\.1 200 /);
  for (const each of target.received) expect(each).not.toContain("evil");
});

const CLAIMS = [
  "X-Forwarded-For",
  "X-Forwarded-Proto",
  "X-Forwarded-Host",
  "X-Forwarded-Port",
  "X-Forwarded-Prefix",
  "X_Forwarded_For",
  "Forwarded",
  "X-Real-IP",
  "True-Client-IP",
  "CF-Connecting-IP",
  "CF-Anything",
  "X-Sallyport-Visit",
  "X-Original-URL",
  "X-Rewrite-URL",
];

test("what visitors claim about themselves is dropped and told anew", async () => {
  await using site = await testSite();
  await using target = await rawTarget();
  const { edge } = site;
  await site.map(`http://${HOST}`, `http://${target.host}:${target.port}`);
  const headers = Object.fromEntries(CLAIMS.map((name) => [name, "6.6.6.6"]));
  await askHttp(edge.url, HOST, {
    headers: { ...headers, connection: "close, X-Forwarded-For, X-Drop", "x-drop": "1", "x-keep": "1" },
    from: "127.0.0.1",
  });
  const [request = ""] = target.received;
  expect(request).not.toContain("6.6.6.6");
  expect(request).not.toContain("x-drop");
  for (const line of [
    "x-keep: 1",
    "x-forwarded-for: 127.0.0.1",
    "x-forwarded-proto: http",
    `x-forwarded-host: ${HOST}:8787`,
    "x-forwarded-port: 8787",
    "x-real-ip: 127.0.0.1",
    `forwarded: for=127.0.0.1;host="${HOST}:8787";proto=http`,
  ]) {
    expect(request).toContain(`\r\n${line}\r\n`);
  }
});

/** What a hostile target answers, and what a visitor may make of it: a status of the edge's own, or a body that is cut. */
const ANSWERS: [string, string, "502" | "cut" | "ok"][] = [
  [
    "both framings",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "502",
  ],
  ["two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", "502"],
  ["a length of letters", "HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok", "502"],
  [
    "101 that nobody asked for",
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    "502",
  ],
  ["HTTP/0.9", "hello there", "502"],
  ["SSH", "SSH-2.0-OpenSSH_9.2\r\n", "502"],
  ["a status of 1000", "HTTP/1.1 1000 OK\r\n\r\n", "502"],
  ["a status of 999", "HTTP/1.1 999 No\r\nContent-Length: 0\r\n\r\n", "502"],
  ["a header with a NUL", "HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 2\r\n\r\nok", "502"],
  ["a header of 100 KiB", `HTTP/1.1 200 OK\r\nX: ${"a".repeat(100_000)}\r\nContent-Length: 2\r\n\r\nok`, "502"],
  ["300 headers", `HTTP/1.1 200 OK\r\n${"X: a\r\n".repeat(300)}Content-Length: 2\r\n\r\nok`, "502"],
  [
    "1xx without end",
    `${"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n".repeat(500)}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok`,
    "502",
  ],
  ["nothing", "", "502"],
  ["a body too short", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nok", "cut"],
  ["chunks that break off", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", "cut"],
  ["a chunk that is none", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\nzz\r\n", "cut"],
  [
    "a body too long",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
    "ok",
  ],
  [
    "headers of the connection",
    "HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=9\r\nProxy-Authenticate: Basic\r\nContent-Length: 2\r\n\r\nok",
    "ok",
  ],
];

test("whatever a target answers, a visitor gets one proper response, or an error, and never another's answer", async () => {
  await using site = await testSite();
  await using target = await rawTarget();
  const { edge } = site;
  await site.map(`http://${HOST}`, `http://${target.host}:${target.port}`);
  for (const [what, answer, outcome] of ANSWERS) {
    target.answer = (socket) => {
      socket.end(Buffer.from(answer, "latin1"));
    };
    const got = await askHttp(edge.url, HOST);
    switch (outcome) {
      case "502":
        expect({ what, status: got.status }).toEqual({ what, status: 502 });
        break;
      case "cut":
        // Broken off at once, not even the head may have left; found out in time, the answer is the edge's own.
        expect({ what, status: got.status }).toMatchObject({
          what,
          status: expect.toBeOneOf([0, 200, 502]) as unknown,
        });
        expect({ what, whole: got.whole }).toEqual({ what, whole: got.status === 502 });
        break;
      case "ok":
        expect({ what, status: got.status, body: got.body.toString(), whole: got.whole }).toEqual({
          what,
          status: 200,
          body: "ok",
          whole: true,
        });
        expect(got.headers).not.toHaveProperty("x-hop");
        break;
    }
    expect(got.body.toString()).not.toContain("evil");
  }
});

test("an answer that nobody asked for on a kept-alive connection is not given to the next visitor", async () => {
  await using site = await testSite();
  await using target = await rawTarget();
  const { edge } = site;
  await site.map(`http://${HOST}`, `http://${target.host}:${target.port}`);
  const poisoned = Promise.withResolvers<void>();
  target.answer = (socket, nth) => {
    socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    if (nth > 1 || target.received.length > 1) return;
    setTimeout(() => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", () => poisoned.resolve()), 50);
    socket.on("close", () => poisoned.resolve());
  };
  expect((await askHttp(edge.url, HOST)).body.toString()).toBe("ok");
  await poisoned.promise;
  for (let round = 0; round < 5; round += 1) expect((await askHttp(edge.url, HOST)).body.toString()).toBe("ok");
});
