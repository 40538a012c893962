import { expect, test } from "vitest";
import { ANSWERS, CLAIMS, HOSTS, REQUESTS } from "../support/bad-http.ts";
import { askHttp, rawTarget, rawVisit } from "../support/http.ts";
import { testSite } from "../support/site.ts";
import { IDENTITY, ROUTE, spellings } from "../support/spoofed.ts";

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

test("what servers believe of proxies, no visitor can say, in any spelling; a trusted proxy may say who the visitor is", async () => {
  const proxy = "127.0.0.9";
  await using site = await testSite({}, "--trusted-proxy", `${proxy}/32`);
  await using target = await rawTarget();
  await site.map(`http://${HOST}`, `http://${target.host}:${target.port}`);
  const names = new Set([...ROUTE, ...IDENTITY].flatMap(spellings));
  for (const name of names) await askHttp(site.edge.url, HOST, { headers: { [name]: "6.6.6.6", "x-keep": "1" } });
  for (const each of target.received) expect(each).not.toContain("6.6.6.6");
  expect(target.received.join("").split("x-keep: 1")).toHaveLength(names.size + 1);
  await askHttp(site.edge.url, HOST, {
    headers: { "x-forwarded-for": "192.0.2.7", "x-forwarded-user": "ann", "x-client-ip": "6.6.6.6" },
    from: proxy,
  });
  const told = target.received.at(-1) ?? "";
  expect(told).toContain("\r\nx-forwarded-user: ann\r\n");
  expect(told).toContain("\r\nx-forwarded-for: 192.0.2.7, 127.0.0.9\r\n");
  expect(told).not.toContain("6.6.6.6");
});

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
