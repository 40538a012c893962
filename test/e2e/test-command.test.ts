import { createServer } from "node:https";
import { once } from "node:events";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Hop } from "../../shared/hop.ts";
import { httpOrigin } from "../support/http.ts";
import { loopback } from "../support/net.ts";
import { tcpServer } from "../support/peers.ts";
import { execute } from "../support/run.ts";
import { testSite, type TestSite } from "../support/site.ts";

type Tested = { endpoint: string; hops: Hop[]; passed: boolean; exit: number };

test("each way to fail has its own sentence, code and exit code; what was not tried is never passed", async () => {
  await using site = await testSite({ tcp: "8001-8009" });
  await using ssh = await tcpServer(loopback(), 0, (socket) => void socket.write("SSH-2.0-Test\r\n"));
  await using web = await httpOrigin((_, response) => response.writeHead(204).end());
  await using old = await expiredServer(site.edge.data);
  const nobody = `${loopback()}:9`;
  await site.map("8001/tcp", `${ssh.host}:${ssh.port}`);
  await site.map("8002/tcp", nobody);
  await site.map("8003/tcp", "192.0.2.1:80");
  await site.map("8004/tcp", `${ssh.host}:${ssh.port}`, "--allow-from", "198.51.100.0/24");
  await site.map("lab/web", `${web.host}:${web.port}`);
  await site.map("http://ok.localhost:8787", web.url);
  await site.map("http://plain.localhost:8787", web.url.replace("http:", "https:"));
  await site.map("http://old.localhost:8787", old.url);

  expect(await tested(site, "8001/tcp")).toMatchObject({
    exit: 0,
    protocol: { outcome: "ok", text: "It says: SSH-2.0-Test" },
    public: { outcome: "not-tested", code: "edge-host" },
  });
  expect(await tested(site, "8002/tcp")).toMatchObject({
    exit: 1,
    target: { outcome: "failed", code: "target-refused" },
    protocol: { outcome: "not-tested" },
  });
  expect(await tested(site, "8003/tcp")).toMatchObject({
    exit: 1,
    target: { outcome: "failed", code: "target-denied" },
  });
  expect(await tested(site, "8004/tcp")).toMatchObject({
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
  expect(await tested(site, "lab/web")).toMatchObject({
    exit: 0,
    public: { outcome: "not-tested", code: "no-public-side" },
  });
  expect(await tested(site, "http://ok.localhost:8787")).toMatchObject({
    exit: 0,
    protocol: { text: "It says: HTTP/1.1 204 No Content" },
  });
  expect(await tested(site, "http://plain.localhost:8787")).toMatchObject({
    exit: 1,
    protocol: { code: "target-plain", fix: expect.stringContaining("http://") },
  });
  expect(await tested(site, "http://old.localhost:8787")).toMatchObject({
    exit: 1,
    protocol: { code: "target-tls", text: expect.stringMatching(/expired on 2021-01-01 .*old\.example/) },
  });

  const all = await site.edge.cli(["test", "--all", "--json"]);
  expect(all.code).toBe(1);
  expect((JSON.parse(all.stdout) as Tested[]).map(({ exit }) => exit)).toEqual([0, 1, 1, 0, 0, 0, 1, 1]);

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
  const { hops, ...rest } = JSON.parse(stdout) as Tested;
  expect(rest.exit).toBe(code);
  return { ...rest, ...Object.fromEntries(hops.map((hop) => [hop.hop, hop])) };
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
