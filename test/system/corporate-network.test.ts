/** The programs in a network whose only way out is a proxy, or where TLS is inspected. */
import { globSync } from "node:fs";
import { chmod, copyFile, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { createServer, request, type IncomingMessage, type ServerResponse } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { npmEnv } from "../../cli/npm-env.ts";
import { AGENT, SYSTEM_NODE } from "../../scripts/tool.ts";
import { authority } from "../support/certificates.ts";
import { connectProxy } from "../support/connect-proxy.ts";
import { corporation, EDGE_URL, NO_PROXIES } from "../support/corporate.ts";
import { testEdge } from "../support/edge.ts";
import { echoServer, exchange, testAgent } from "../support/lan.ts";
import { loopback } from "../support/net.ts";
import { execute } from "../support/run.ts";
import { tempDir } from "../support/temp-dir.ts";
import { listeningAt } from "../support/site.ts";
import { unsignedToken } from "../support/unsigned-token.ts";

const LOGIN = "ann:p@ss:word";
const CREDENTIALS = "ann:p%40ss%3Aword";

test("agent, client, gateway, commands and doctor reach an edge by a proxy alone, and what is secret stays so", async () => {
  await using corp = await corporation(EDGE_URL, "--tcp", "8080");
  await using proxy = await connectProxy({ login: LOGIN, places: corp.places });
  await using echo = await echoServer();
  const url = proxy.url(CREDENTIALS);
  const proxyFile = await corp.file("proxy", `${url}\n`);
  // Later commands go as the login went.
  const tokenFile = await corp.site("--proxy-file", proxyFile);
  const words = ["--token-file", tokenFile];
  const env = { HTTPS_PROXY: url, NO_PROXY: "intranet.test,10.0.0.0/8", SALLYPORT_CA_FILE: corp.authority.file };

  const agent = corp.agent(words, env);
  await agent.until(/"msg":"ready"/);
  await corp.edge.ok("map", "add", "8080/tcp", "lab", echo.address);
  expect(await exchange(corp.edge.host, 8080, "by the agent's proxy")).toBe("by the agent's proxy");

  // From here, no visitor's way can be tried: that is said, and is no failure.
  const tested = await corp.edge.cli(["test", "8080/tcp", "--json"]);
  expect({ code: tested.code, said: JSON.parse(tested.stdout) as unknown }).toMatchObject({
    code: 0,
    said: { hops: expect.arrayContaining([expect.objectContaining({ hop: "public", code: "proxy" })]) as unknown },
  });

  const visitor = await corp.file("visitor", await corp.edge.ok("token", "visitor", "--endpoint", "8080/tcp"));
  const local = `${loopback()}:18080`;
  const how = [...corp.ca, "--proxy-file", proxyFile];
  const client = corp.start(["connect", `8080/tcp=${local}`, "--token-file", visitor, ...how]);
  const at = await listeningAt(client, "8080/tcp");
  expect(await exchange(at.host, at.port, "by the client's too")).toBe("by the client's too");

  const gatewayToken = await corp.file("gateway", await corp.edge.ok("token", "gateway", "--endpoint", "9000/tcp"));
  await corp.edge.ok("map", "add", "9000/tcp", "lab", echo.address);
  const bind = ["--bind", loopback()];
  const gateway = corp.start(["gateway", ...bind, "--token-file", gatewayToken, ...corp.ca, "--proxy", url]);
  const open = await listeningAt(gateway, "9000/tcp");
  expect(await exchange(open.host, open.port, "by the gateway's too")).toBe("by the gateway's too");

  const doctor = await corp.ask(["doctor", ...words], env);
  expect(doctor).toMatchObject({ code: 0 });
  expect(doctor.stdout).toContain(
    `ok    proxy: the edge is dialled through the proxy http://127.0.0.1:${proxy.port} (HTTPS_PROXY)\n`,
  );
  expect(doctor.stdout).toContain("ok    connect: the proxy connects to edge.test\n");
  expect(doctor.stdout).toMatch(/ok {4}tls: TLSv1\.3, certificate of edge\.test by Acme Root until .*\n/);
  expect(doctor.stdout).toContain(`ok    lane: the edge accepts this agent\n`);

  expect(new Set(proxy.heads.map((head) => head.split("\r\n")[0]))).toEqual(
    new Set(["CONNECT edge.test:443 HTTP/1.1"]),
  );
  const tokens = await Promise.all([tokenFile, visitor, gatewayToken].map((file) => readFile(file, "utf8")));
  const secret = (await readFile(corp.edge.secretFile, "utf8")).trim();
  for (const hidden of [...tokens, secret]) expect(proxy.heads.join() + proxy.up).not.toContain(hidden.slice(0, 40));
  const said = [agent, client, gateway].map((program) => program.stderr + program.stdout).join() + doctor.stdout;
  for (const hidden of ["p@ss", "p%40ss", "ann", Buffer.from(LOGIN).toString("base64")])
    expect(said).not.toContain(hidden);
  expect(gateway.stderr).toContain("the proxy's password was given on the command line");
  expect(client.stderr).not.toContain("command line");
});

test("an agent whose proxy goes away and comes back goes on, and says meanwhile that it is the proxy", async () => {
  await using corp = await corporation(EDGE_URL, "--tcp", "8080");
  await using proxy = await connectProxy({ version: "1.0", places: corp.places });
  await using echo = await echoServer();
  const tokenFile = await corp.site("--proxy", proxy.url());
  await corp.edge.ok("map", "add", "8080/tcp", "lab", echo.address);
  const agent = corp.agent(["--token-file", tokenFile, ...corp.ca, "--proxy", proxy.url()]);
  await agent.until(/"msg":"ready"/);
  await proxy.stop();
  await agent.until(/"msg":"not connected","reason":"nothing listens at the proxy [^"]+ \(ECONNREFUSED\)","fix":"/);
  await proxy.start();
  await agent.until(/"msg":"connected"(?:.|\n)*"msg":"connected"/);
  expect(await exchange(corp.edge.host, 8080, "again")).toBe("again");
});

test("a proxy that does not want us is named by agent, client and login, with what to do", async () => {
  await using corp = await corporation(EDGE_URL);
  await using open = await connectProxy({ places: corp.places });
  await using shut = await connectProxy({ login: LOGIN, places: corp.places });
  const tokenFile = await corp.site("--proxy", open.url());
  const visitor = await corp.file("visitor", await corp.edge.ok("token", "visitor", "--endpoint", "8080/tcp"));
  const how = [...corp.ca, "--proxy", shut.url()];
  const gatewayToken = await corp.file("gateway", await corp.edge.ok("token", "gateway", "--endpoint", "8080/tcp"));
  const agent = corp.agent(["--token-file", tokenFile, ...how]);
  const client = corp.start(["connect", "8080/tcp", "--token-file", visitor, ...how]);
  const gateway = corp.start(["gateway", "--bind", loopback(), "--token-file", gatewayToken, ...how]);
  const line =
    /"msg":"not connected","reason":"the proxy http:[^"]+ \(--proxy\) wants a user and a password \(407\)","fix":"[^"]*--proxy-file[^"]*","retryInMs":(\d+)/;
  // What refuses a password is not asked again and again: it may lock the account.
  for (const program of [agent, client, gateway]) {
    expect(Number((await program.until(line))[1])).toBeGreaterThanOrEqual(60_000);
  }
  expect(await corp.cli(["login", EDGE_URL, "--secret-file", corp.edge.secretFile, ...how])).toMatchObject({
    code: 5,
    stderr: expect.stringMatching(
      /^error\[proxy-login\]: https:\/\/edge\.test can't be reached: the proxy .* wants a user/,
    ),
  });
  expect(await corp.ask(["doctor", "--token-file", tokenFile, ...how])).toMatchObject({
    code: 5,
    stdout: expect.stringMatching(/FAIL {2}connect: the proxy .* wants a user and a password \(407\)\n {6}fix: /),
  });
});

test("an inspection of TLS is named with who issued its certificate, by agent, client, gateway, login and doctor", async () => {
  await using corp = await corporation(EDGE_URL);
  await using proxy = await connectProxy({ places: corp.places });
  const tokenFile = await corp.site("--proxy", proxy.url());
  const visitor = await corp.file("visitor", await corp.edge.ok("token", "visitor", "--endpoint", "8080/tcp"));
  const gateway = await corp.file("gateway", await corp.edge.ok("token", "gateway", "--endpoint", "8080/tcp"));
  // To programs that do not know the edge's authority, it is as strange as that of an inspection.
  const how = ["--proxy", proxy.url()];
  const running = [
    corp.agent(["--token-file", tokenFile, ...how]),
    corp.start(["connect", "8080/tcp", "--token-file", visitor, ...how]),
    corp.start(["gateway", "--bind", loopback(), "--token-file", gateway, ...how]),
  ];
  const issuer = String.raw`the certificate of edge\.test:443 is issued by \\"Acme Root\\" of \\"Acme\\", which is not trusted here`;
  for (const program of running) {
    await program.until(new RegExp(`"msg":"not connected","reason":"${issuer}[^"]*","fix":"[^"]*--ca FILE`));
  }
  expect(await corp.cli(["login", EDGE_URL, "--secret-file", corp.edge.secretFile, ...how])).toMatchObject({
    code: 5,
    stderr: expect.stringMatching(/^error\[tls-issuer\]: .*issued by "Acme Root" of "Acme"(?:.|\n)*fix: .*--ca FILE/),
  });
  expect(await corp.ask(["doctor", "--token-file", tokenFile, ...how])).toMatchObject({
    code: 5,
    stdout: expect.stringMatching(/FAIL {2}tls: .* it is issued by "Acme Root" of "Acme"(?:.|\n)*fix: .*--ca FILE/),
  });
});

test("what takes the WebSocket out of a request is told from an edge that does not understand, and the agent goes on", async () => {
  await using edge = await testEdge({ tcp: "8080" });
  await using agent = await testAgent(edge);
  await using box = await stripping(edge.url);
  await edge.ok("map", "add", "8080/tcp", "lab", `${loopback()}:9`);
  await using corp = await corporation(EDGE_URL);
  const visitor = await corp.file("visitor", await edge.ok("token", "visitor", "--endpoint", "8080/tcp"));
  const there = ["--edge", box.url, "--log-level", "debug"];
  const line =
    /"msg":"not connected".*"reason":"the edge was reached, but a proxy before it or an inspection of TLS removed the WebSocket/;
  await corp.agent(["--token-file", agent.tokenFile, ...there]).until(line);
  await corp.start(["connect", `8080/tcp=${loopback()}:18080`, "--token-file", visitor, ...there]).until(line);
  expect(await corp.ask(["doctor", "--token-file", agent.tokenFile, "--edge", box.url])).toMatchObject({
    code: 5,
    stdout: expect.stringMatching(/FAIL {2}lane: the edge was reached, .* removed the WebSocket/),
  });
});

/** What some proxies do: requests go on without what they were upgraded to. */
async function stripping(edge: string): Promise<AsyncDisposable & { url: string }> {
  const pass = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    const { upgrade: _, connection: __, ...headers } = incoming.headers;
    const { hostname, port } = new URL(edge);
    const passed = request({
      host: hostname,
      port,
      path: incoming.url,
      method: incoming.method,
      headers: { ...headers, host: `${hostname}:${port}` },
    });
    passed.on("response", (answer) => {
      outgoing.writeHead(answer.statusCode ?? 0, answer.headers);
      answer.pipe(outgoing);
    });
    passed.on("error", () => outgoing.destroy());
    incoming.pipe(passed);
  };
  // Without a listener for upgrades, they are requests like others.
  const server = createServer(pass);
  const host = loopback();
  server.listen(0, host);
  await once(server, "listening");
  return {
    url: `http://${host}:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

test("a configuration file names proxy and authorities, and a reload takes others for the next lane", async () => {
  await using corp = await corporation(EDGE_URL);
  await using first = await connectProxy({ places: corp.places });
  await using second = await connectProxy({ login: LOGIN, places: corp.places });
  const tokenFile = await corp.site("--proxy", first.url());
  const other = await authority(corp.folder, "/O=Other/CN=Other Root");
  await corp.file("ca.pem", `${await readFile(other.file, "utf8")}${await readFile(corp.authority.file, "utf8")}`);
  await corp.file("proxy", second.url(CREDENTIALS));
  const config = await corp.file("agent.toml", `ca = "ca.pem"\nproxy = "${first.url()}"\n`);
  // The file comes before the variables, which everything on a machine may have.
  const env = { HTTPS_PROXY: "http://no-such-proxy.invalid:1" };
  const agent = corp.agent(["--token-file", tokenFile, "--config", config], env);
  await agent.until(/"msg":"ready"/);
  await writeFile(config, `ca = "ca.pem"\nproxy-file = "proxy"\n`);
  agent.kill("SIGHUP");
  await agent.until(/"msg":"reloaded","changed":\["proxy"\]/);
  await first.stop();
  await agent.until(/"msg":"connected"(?:.|\n)*"msg":"connected"/);
  expect(second.heads).not.toEqual([]);
  await first.start();
});

test.each([
  [`proxy = "http://ann:secret@proxy:3128"`, /password must not be in a configuration file(?:.|\n)*proxy-file/],
  [`proxy = "socks5://proxy:1080"`, /it is a socks5 proxy/],
  [`proxy-file = "nowhere"`, /the proxy file .*\/nowhere can't be read \(ENOENT\)/],
  [`proxy = "http://proxy:3128"\nproxy-file = "proxy"`, /both name a proxy/],
  [`ca = "nowhere.pem"`, /the CA file .*\/nowhere\.pem can't be read \(ENOENT\)/],
])("a configuration with %j does not start, and says why", async (text, why) => {
  await using folder = await tempDir();
  const tokenFile = join(folder.path, "token");
  await writeFile(tokenFile, unsignedToken("lab"), { mode: 0o600 });
  await writeFile(join(folder.path, "proxy"), "http://ann:secret@proxy:3128", { mode: 0o600 });
  await writeFile(join(folder.path, "agent.toml"), `edge = "https://edge.test"\n${text}\n`);
  const words = ["--token-file", tokenFile, "--config", join(folder.path, "agent.toml")];
  const { code, stderr } = await execute(SYSTEM_NODE, [AGENT, ...words], { env: NO_PROXIES });
  expect(stderr).toMatch(why);
  expect(stderr).not.toContain("secret");
  expect(code).toBe(why.source.includes("both") ? 2 : 3);
});

test("an agent under systemd takes its proxy from a credential, and what it was installed with is found there", async () => {
  await using corp = await corporation(EDGE_URL);
  await using proxy = await connectProxy({ login: LOGIN, places: corp.places });
  const tokenFile = await corp.site("--proxy", proxy.url(CREDENTIALS));
  const root = join(corp.folder, "root");
  await mkdir(root);
  // The variable is of the shell that installs: the service will not have it.
  const env = { https_proxy: proxy.url(CREDENTIALS) };
  const installed = await corp.ask(["install", "--token-file", tokenFile, ...corp.ca, "--root", root], env);
  expect(installed).toMatchObject({
    code: 0,
    stdout: expect.stringContaining(`it dials through the proxy http://127.0.0.1:${proxy.port} (https_proxy)\n`),
  });
  const etc = join(root, "etc/sallyport");
  const unit = await readFile(join(root, "etc/systemd/system/sallyport-agent.service"), "utf8");
  expect(unit).toMatch(/^LoadCredential=proxy:\/etc\/sallyport\/agent\.proxy$/m);
  expect((await stat(join(etc, "agent.proxy"))).mode & 0o777).toBe(0o600);
  const config = await readFile(join(etc, "agent.toml"), "utf8");
  expect(config).toContain('ca = "/etc/sallyport/agent-ca.pem"');
  expect(unit + config + installed.stdout).not.toMatch(/p@ss|p%40ss/);

  // As systemd starts it, but for the folder.
  const credentials = join(corp.folder, "credentials");
  await mkdir(credentials);
  await copyFile(join(etc, "agent.proxy"), join(credentials, "proxy"));
  await copyFile(join(etc, "agent.token"), join(credentials, "token"));
  await corp.file("agent.toml", config.replace("/etc/sallyport/", `${etc}/`));
  const agent = corp.agent(["--config", join(corp.folder, "agent.toml")], { CREDENTIALS_DIRECTORY: credentials });
  await agent.until(/"msg":"ready"/);

  // Installed again for a network without one, nothing of it is left.
  expect(await corp.ask(["install", "--token-file", tokenFile, "--proxy", "none", "--root", root])).toMatchObject({
    code: 0,
  });
  expect(globSync("agent.proxy", { cwd: etc })).toEqual([]);
  expect(await readFile(join(etc, "agent.toml"), "utf8")).toContain('proxy = "none"');
  expect(await corp.ask(["uninstall", "--root", root])).toMatchObject({ code: 0 });
  expect(globSync("**/*.{service,token,toml,js,proxy,pem}", { cwd: root })).toEqual([]);
});

test("a proxy whose password others can read is warned about", async () => {
  await using corp = await corporation(EDGE_URL);
  await using proxy = await connectProxy({ login: LOGIN, places: corp.places });
  const file = await corp.file("proxy", proxy.url(CREDENTIALS));
  await chmod(file, 0o644);
  const tokenFile = await corp.site("--proxy-file", file);
  const agent = corp.agent(["--token-file", tokenFile, ...corp.ca, "--proxy-file", file]);
  await agent.until(
    /"level":"warn","msg":"others on this machine can read the proxy's password","file":"[^"]+","fix":"chmod 600/,
  );
});

test("npm and wrangler are told of the authorities, too", () => {
  expect(npmEnv({ SALLYPORT_CA_FILE: "/ca.pem", HTTPS_PROXY: "http://proxy:1" })).toMatchObject({
    NODE_EXTRA_CA_CERTS: "/ca.pem",
    HTTPS_PROXY: "http://proxy:1",
  });
  expect(npmEnv({ SALLYPORT_CA_FILE: "/ca.pem", NODE_EXTRA_CA_CERTS: "/own.pem" })).toMatchObject({
    NODE_EXTRA_CA_CERTS: "/own.pem",
  });
  expect(npmEnv({})).toEqual({});
});
