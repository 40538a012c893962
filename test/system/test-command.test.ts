import { createServer } from "node:https";
import { once } from "node:events";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { connect, type AddressInfo, type Socket } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Hop } from "../../shared/rule/hop.ts";
import { httpOrigin } from "../support/http.ts";
import { loopback } from "../support/net.ts";
import { tcpServer, udpServer } from "../support/peers.ts";
import { execute, run } from "../support/run.ts";
import { testSite, type TestSite } from "../support/site.ts";

type Tested = { endpoint: string; hops: Hop[]; passed: boolean; exit: number };

test("each way to fail has its own sentence, code and exit code; what was not tried is never passed", async () => {
  await using site = await testSite({ tcp: "8001-8009" });
  await using ssh = await tcpServer(loopback(), 0, (socket) => void socket.write("SSH-2.0-Test\r\n"));
  await using web = await httpOrigin((_, response) => response.writeHead(204).end());
  await using old = await expiredServer(site.edge.data);
  await using down = await silentHost();
  await using camera = await tcpServer(loopback(), 8554, (socket) => {
    socket.once("data", () => void socket.write("RTSP/1.0 200 OK\r\nCSeq: 1\r\nPublic: DESCRIBE\r\n\r\n"));
  });
  await using phone = await udpServer(loopback(), 5060, (socket) => {
    socket.on("message", (_, peer) => socket.send("SIP/2.0 200 OK\r\n\r\n", peer.port, peer.address));
  });
  const nobody = `${loopback()}:9`;
  await map(site, "8001/tcp", `${ssh.host}:${ssh.port}`);
  await map(site, "8002/tcp", nobody);
  await map(site, "8003/tcp", "192.0.2.1:80");
  await map(site, "8004/tcp", `${ssh.host}:${ssh.port}`, { allow: ["198.51.100.0/24"] });
  await map(site, "8005/tcp", down.address);
  await map(site, "8006/tcp", `${camera.host}:${camera.port}`);
  await site.token("gateway");
  await map(site, "5060/udp", `${phone.host}:${phone.port}`);
  await map(site, "http://wrong.localhost:8787", `http://${ssh.host}:${ssh.port}`);
  await map(site, "lab/web", `${web.host}:${web.port}`);
  await map(site, "http://ok.localhost:8787", web.url);
  await map(site, "http://plain.localhost:8787", web.url.replace("http:", "https:"));
  await map(site, "http://old.localhost:8787", old.url);

  const all = await site.edge.cli(["test", "--all", "--json"]);
  expect(all.code).toBe(1);
  const results = JSON.parse(all.stdout) as Tested[];
  const result = (endpoint: string) => byHop(results.find((each) => each.endpoint === endpoint));

  expect(result("8001/tcp")).toMatchObject({
    exit: 0,
    protocol: { outcome: "ok", text: "It says: SSH-2.0-Test" },
    public: { outcome: "not-tested", code: "edge-host" },
  });
  expect(result("8002/tcp")).toMatchObject({
    exit: 1,
    target: { outcome: "failed", code: "target-refused" },
    protocol: { outcome: "not-tested" },
  });
  expect(result("8003/tcp")).toMatchObject({
    exit: 1,
    target: { outcome: "failed", code: "target-denied" },
  });
  expect(result("8004/tcp")).toMatchObject({
    exit: 0,
    policy: { outcome: "warning", code: "denied-here" },
  });
  expect(await tested(site, "8004/tcp", "--from", "198.51.100.7")).toMatchObject({
    exit: 0,
    policy: { outcome: "ok" },
  });
  expect(await tested(site, "8004/tcp", "--from", "::ffff:203.0.113.7")).toMatchObject({
    exit: 7,
    policy: { outcome: "failed", code: "denied" },
  });
  expect(result("lab/web")).toMatchObject({
    exit: 0,
    public: { outcome: "not-tested", code: "no-public-side" },
  });
  expect(result("http://ok.localhost:8787")).toMatchObject({
    exit: 0,
    protocol: { text: "It says: HTTP/1.1 204 No Content" },
  });
  expect(result("http://plain.localhost:8787")).toMatchObject({
    exit: 1,
    protocol: { code: "target-plain", fix: expect.stringContaining("http://") },
  });
  expect(result("http://old.localhost:8787")).toMatchObject({
    exit: 1,
    protocol: { code: "target-tls", text: expect.stringMatching(/expired on 2021-01-01 .*old\.example/) },
  });

  expect(result("8005/tcp")).toMatchObject({
    exit: 1,
    target: { outcome: "failed", code: "target-timeout", fix: expect.stringContaining("the device is on") as unknown },
  });
  expect(result("8006/tcp")).toMatchObject({ exit: 0, protocol: { text: "It says: RTSP/1.0 200 OK" } });
  expect(result("5060/udp")).toMatchObject({ exit: 0, protocol: { text: "It says: SIP/2.0 200 OK" } });
  expect(result("http://wrong.localhost:8787")).toMatchObject({
    exit: 1,
    protocol: { code: "target-protocol", text: expect.stringContaining("not HTTP: SSH-2.0-Test") as unknown },
  });

  expect(Object.fromEntries(results.map(({ endpoint, exit }) => [endpoint, exit]))).toEqual({
    "8001/tcp": 0,
    "8002/tcp": 1,
    "8003/tcp": 1,
    "8004/tcp": 0,
    "8005/tcp": 1,
    "8006/tcp": 0,
    "5060/udp": 0,
    "lab/web": 0,
    "http://ok.localhost:8787": 0,
    "http://plain.localhost:8787": 1,
    "http://old.localhost:8787": 1,
    "http://wrong.localhost:8787": 1,
  });
  // Each trouble has a sentence of its own, and something to do about it.
  const troubles = results.flatMap(({ hops }) => hops.filter(({ outcome }) => outcome === "failed"));
  expect(new Set(troubles.map(({ text }) => text)).size).toBe(troubles.length);
  expect(new Set(troubles.map(({ code }) => code)).size).toBe(6);
  expect(troubles.filter(({ fix }) => fix === "")).toEqual([]);
  // Nowhere is the public side called well from the edge's own machine.
  expect(
    results.flatMap(({ hops }) => hops).filter(({ hop, outcome }) => hop === "public" && outcome === "ok"),
  ).toEqual([]);
  const { stdout } = await site.edge.cli(["test", "8002/tcp"]);
  expect(stdout).toMatch(/FAILED +target +\[target-refused\] .*\n +fix: start the service there/);

  site.agent.kill("SIGTERM");
  await site.agent.ended;
  expect(await tested(site, "8001/tcp")).toMatchObject({
    exit: 6,
    agent: { outcome: "failed", code: "no-agent" },
    target: { outcome: "not-tested" },
  });
  await site.edge.ok("map", "edit", "8001/tcp", "--expires", "2020-01-01");
  expect(await tested(site, "8001/tcp")).toMatchObject({ exit: 7, policy: { code: "expired" } });
  expect((await site.edge.cli(["test"])).code).toBe(2);
});

/** What a test says, by its hops. */
async function tested(site: TestSite, ...words: string[]): Promise<Record<string, unknown>> {
  const { code, stdout } = await site.edge.cli(["test", ...words, "--json"]);
  const answer = JSON.parse(stdout) as Tested;
  expect(answer.exit).toBe(code);
  return byHop(answer);
}

function byHop(answer: Tested | undefined): Record<string, unknown> {
  const { hops = [], ...rest } = answer ?? {};
  return { ...rest, ...Object.fromEntries(hops.map((hop) => [hop.hop, hop])) };
}

async function map({ edge }: TestSite, endpoint: string, target: string, rule: object = {}): Promise<void> {
  await edge.ask("POST", "/mappings", { endpoint, site: "lab", target, ...rule });
}

/** A machine that is off, as far as a dial can tell: a listener that never accepts, with no room for one more to wait. */
async function silentHost() {
  const host = loopback();
  const script = `require("net").createServer().listen({ host: "${host}", port: 80, backlog: 1 }, () => console.log("listening"))`;
  const child = run(process.execPath, ["-e", script]);
  await child.until(/listening/);
  child.kill("SIGSTOP");
  const waiting = Array.from({ length: 4 }, () => connect(80, host).on("error", () => undefined));
  await once(waiting[0] as Socket, "connect");
  return {
    address: `${host}:80`,
    async [Symbol.asyncDispose]() {
      for (const socket of waiting) socket.destroy();
      child.kill("SIGKILL");
      await child[Symbol.asyncDispose]();
    },
  };
}

/** An HTTPS server whose certificate ended in 2021. */
async function expiredServer(folder: string) {
  const at = join(folder, "../expired");
  await mkdir(at);
  const file = (name: string): string => join(at, name);
  const config = `[ca]\ndefault_ca=d\n[d]\ndatabase=${file("index")}\nserial=${file("serial")}\nnew_certs_dir=${at}\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n[req]\ndistinguished_name=dn\n[dn]\n`;
  await Promise.all([writeFile(file("conf"), config), writeFile(file("index"), ""), writeFile(file("serial"), "01")]);
  const openssl = async (...words: string[]): Promise<void> =>
    expect(await execute("openssl", words)).toMatchObject({ code: 0 });
  await openssl(
    "req",
    "-new",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:prime256v1",
    "-nodes",
    "-config",
    file("conf"),
    "-subj",
    "/CN=old.example",
    "-keyout",
    file("key"),
    "-out",
    file("csr"),
  );
  await openssl(
    "ca",
    "-batch",
    "-selfsign",
    "-config",
    file("conf"),
    "-keyfile",
    file("key"),
    "-in",
    file("csr"),
    "-startdate",
    "20200101000000Z",
    "-enddate",
    "20210101000000Z",
    "-out",
    file("cert"),
  );
  const host = loopback();
  const server = createServer({ key: await readFile(file("key")), cert: await readFile(file("cert")) }, (_, response) =>
    response.end(),
  ).listen(0, host);
  await once(server, "listening");
  return {
    url: `https://${host}:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => void server.close(),
  };
}
