import { expect, test } from "vitest";
import { connect as dial } from "node:net";
import { once } from "node:events";
import { sha256 } from "../support/bytes.ts";
import { loopback } from "../support/net.ts";
import { ask, tcpServer, udpServer, UdpVisitor } from "../support/peers.ts";
import { listeningAt, testSite } from "../support/site.ts";

test("a token opens its endpoints on local ports, and bytes and both ends of them arrive", async () => {
  await using site = await testSite();
  await using echo = await tcpServer(loopback());
  await site.map("8080/tcp", `${echo.host}:${echo.port}`, "--access", "token");
  await site.map("lab/echo", `${echo.host}:${echo.port}`);
  const token = await site.token("visitor", "--endpoint", "8080/tcp", "--endpoint", "lab/*");
  const host = loopback();
  const client = await site.connect(token, `8080/tcp=${host}:18080`, `lab/echo=${host}:0`);

  const text = "all of it, once, in order. ".repeat(400_000);
  expect(sha256(await ask(host, 18080, text))).toBe(sha256(text));
  const service = await listeningAt(client, "lab/echo");
  expect(await ask(service.host, service.port, "hello")).toBe("hello");
});

test("many connections at once are told apart, and counted for Prometheus", async () => {
  await using site = await testSite();
  await using echo = await tcpServer(loopback());
  await site.map("lab/echo", `${echo.host}:${echo.port}`);
  const metrics = ["--metrics", `${loopback()}:0`];
  const client = await site.connect(await site.token("visitor", "--endpoint", "lab/*"), "lab/echo", ...metrics);
  const { host, port } = await listeningAt(client, "lab/echo");
  const texts = Array.from({ length: 100 }, (_, index) => `number ${index} `.repeat(1_000));
  expect(await Promise.all(texts.map((text) => ask(host, port, text)))).toEqual(texts);
  const [, url = ""] = await client.until(/"msg":"metrics","url":"([^"]+)"/);
  const answer = await (await fetch(url)).text();
  const bytes = texts.join("").length;
  expect(answer).toContain('sallyport_client_connected{site="lab"} 1\n');
  expect(answer).toContain('sallyport_client_streams_total{kind="tcp"} 100\n');
  expect(answer).toContain(`sallyport_client_bytes_total{kind="tcp",direction="out"} ${bytes}\n`);
});

test("what the target refuses, the local visitor sees as a reset", async () => {
  await using site = await testSite();
  const nobody = loopback();
  await site.map("lab/nothing", `${nobody}:9`);
  const client = await site.connect(await site.token("visitor", "--endpoint", "lab/*"), "lab/nothing");
  const { host, port } = await listeningAt(client, "lab/nothing");
  const socket = dial(port, host).resume();
  const [error] = (await once(socket, "error")) as [NodeJS.ErrnoException];
  expect(error.code).toBe("ECONNRESET");
  await client.until(/"code":"target-refused"/);
});

test("--stdio carries one connection over standard input and output", async () => {
  await using site = await testSite();
  await using echo = await tcpServer(loopback());
  await site.map("lab/echo", `${echo.host}:${echo.port}`);
  const token = await site.token("visitor", "--endpoint", "lab/echo");
  const input = "there and back\n".repeat(200_000);
  const ended = await site.edge.cli(["connect", "lab/echo", "--stdio", "--token-file", token], { input });
  expect(ended).toMatchObject({ code: 0, stderr: "" });
  expect(sha256(ended.stdout)).toBe(sha256(input));
});

test("endpoints that the token does not open are refused by name", async () => {
  await using site = await testSite();
  await site.map("lab/a", "127.0.0.1:9");
  await site.map("lab/b", "127.0.0.1:9");
  const token = await site.token("visitor", "--endpoint", "lab/a");
  const ended = await site.edge.cli(["connect", "lab/b", "--token-file", token]);
  expect(ended).toMatchObject({
    code: 7,
    stdout: "",
    stderr: expect.stringMatching(/error\[denied\].*lab\/b[^]*it opens lab\/a/),
  });
});

test("revoking the token ends what is open, and the program", async () => {
  await using site = await testSite();
  await using echo = await tcpServer(loopback());
  await site.map("lab/echo", `${echo.host}:${echo.port}`);
  const token = await site.token("visitor", "--endpoint", "lab/*");
  const client = await site.connect(token, "lab/echo");
  const { host, port } = await listeningAt(client, "lab/echo");
  const socket = dial(port, host);
  socket.write("x");
  await once(socket, "data");
  const tokens = await site.edge.json<{ jti: string; kind: string }[]>("token", "ls");
  const jti = tokens.find(({ kind }) => kind === "visitor")?.jti ?? "";
  const broken = once(socket, "error");
  await site.edge.ok("token", "revoke", jti);
  await broken;
  expect(await client.ended).toMatchObject({ code: 4, stderr: expect.stringContaining("error[token]") });
});

test("the end of the token's life ends what is open, and the program", async () => {
  await using site = await testSite();
  await using echo = await tcpServer(loopback());
  await site.map("lab/echo", `${echo.host}:${echo.port}`);
  const token = await site.token("visitor", "--endpoint", "lab/*", "--expires", "20s");
  const client = await site.connect(token, "lab/echo");
  const { host, port } = await listeningAt(client, "lab/echo");
  const socket = dial(port, host);
  socket.write("x");
  await once(socket, "data");
  await once(socket, "error");
  expect(await client.ended).toMatchObject({ code: 4, stderr: expect.stringContaining("error[token-expired]") });
});

test("datagrams of every size keep their boundaries, each peer its own flow", async () => {
  await using site = await testSite();
  const ports = new Set<number>();
  await using echo = await udpServer(loopback(), 0, (socket) => {
    socket.on("message", (bytes, peer) => {
      ports.add(peer.port);
      socket.send(bytes, peer.port, peer.address);
    });
  });
  await site.map("5060/udp", `${echo.host}:${echo.port}`, "--access", "token");
  const host = loopback();
  await site.connect(await site.token("visitor", "--endpoint", "5060/udp"), `5060/udp=${host}`);
  await using a = new UdpVisitor({ host, port: 5060 });
  await using b = new UdpVisitor({ host, port: 5060 });
  for (const size of [1, 0, 172, 1472, 1473, 9000, 65_507]) {
    const bytes = Buffer.alloc(size, size % 251);
    // What was asked twice on a slow machine is answered twice: answers to former questions may come in between.
    await a.ask(bytes, (answer) => answer.equals(bytes));
  }
  expect((await b.ask("b")).toString()).toBe("b");
  expect(a.received.every((bytes) => bytes.toString() !== "b")).toBe(true);
  // One stable source port per flow.
  expect(ports.size).toBe(2);
});
