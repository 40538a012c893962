import { once } from "node:events";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { MappingView, StatusView } from "../../shared/rule/api.ts";
import { identityOf } from "../../cli/serve/process.ts";
import { certificate } from "../support/certificates.ts";
import { testEdge } from "../support/edge.ts";
import { loopback } from "../support/net.ts";
import { execute, run } from "../support/run.ts";
import { tempDir } from "../support/temp-dir.ts";
import { SALLYPORT, SYSTEM_NODE } from "../../scripts/tool.ts";
import { ANYWHERE } from "../support/targets.ts";

test("what it keeps is its owner's alone", async () => {
  await using edge = await testEdge();
  const modes = await Promise.all(
    ["", "admin-secret", "storage", "run", "run/config.capnp"].map(
      async (name) => (await stat(join(edge.data, name))).mode & 0o777,
    ),
  );
  expect(modes).toEqual([0o700, 0o600, 0o700, 0o700, 0o600]);
  expect((await stat(join(edge.data, "../config/logins.json"))).mode & 0o777).toBe(0o600);
  const config = await readFile(join(edge.data, "run/config.capnp"), "utf8");
  expect(config).not.toContain((await readFile(edge.secretFile, "utf8")).trim());
});

test("the key of its certificate is in no file of its, and in nothing that other users can see of workerd", async () => {
  await using dir = await tempDir();
  const host = loopback();
  const { cert, key } = await certificate(dir.path, host, 1);
  const data = join(dir.path, "edge");
  // As an earlier version left it.
  await mkdir(join(data, "run"), { recursive: true });
  await writeFile(join(data, "run/config.capnp"), await readFile(key));
  const words = ["--data", data, "--listen", `${host}:8443`, "--tls-cert", cert, "--tls-key", key, "--log", "json"];
  await using serve = run(SYSTEM_NODE, [SALLYPORT, "serve", ...words]);
  await serve.until(/"msg":"ready"/);
  const [, secret = ""] = (await readFile(key, "utf8")).split("\n");
  expect(secret.length).toBeGreaterThan(40);
  const files = await readdir(data, { recursive: true, withFileTypes: true });
  expect(files.map(({ name }) => name)).toContain("config.capnp");
  for (const file of files.filter((each) => each.isFile()))
    expect((await readFile(join(file.parentPath, file.name))).includes(secret), file.name).toBe(false);
  const { pid } = JSON.parse(await readFile(join(data, "run/workerd.pid"), "utf8")) as { pid: number };
  for (const file of ["cmdline", "environ"])
    expect((await readFile(`/proc/${pid}/${file}`, "utf8")).includes(secret), file).toBe(false);
});

test("taken ports are all named before anything starts", async () => {
  await using dir = await tempDir();
  await using taken = await listening(loopback());
  await using alsoTaken = await listening(taken.host);
  const words = [
    "--data",
    join(dir.path, "edge"),
    "--listen",
    `${taken.host}:${taken.port}`,
    "--bind",
    taken.host,
    "--tcp",
    `${alsoTaken.port}`,
  ];
  const { code, stdout, stderr } = await execute(SYSTEM_NODE, [SALLYPORT, "serve", ...words]);
  expect({ code, stdout }).toEqual({ code: 3, stdout: "" });
  expect(stderr).toContain("error[port-taken]");
  for (const { host, port } of [taken, alsoTaken])
    expect(stderr).toContain(`${host}:${port} is in use by another program`);
  expect(stderr).toMatch(/fix: find the program/);
});

test("a port can't be used twice by one edge either", async () => {
  await using dir = await tempDir();
  const host = loopback();
  const words = ["--data", join(dir.path, "edge"), "--listen", `${host}:8787`, "--bind", host, "--tcp", "8787"];
  expect(await execute(SYSTEM_NODE, [SALLYPORT, "serve", ...words])).toMatchObject({
    code: 3,
    stderr: expect.stringContaining("error[port-taken]"),
  });
});

test("two edges can't share a folder", async () => {
  await using edge = await testEdge();
  const second = await edge.cli(["serve", "--data", edge.data, "--listen", `${loopback()}:8787`]);
  expect(second).toMatchObject({ code: 3, stderr: expect.stringContaining("error[data-in-use]") });
  await edge.ok("site", "ls");
});

test("folders and texts with any characters are only that", async () => {
  await using dir = await tempDir();
  const data = join(dir.path, `a "quoted" \\ folder's né, (name = "x")`);
  const host = loopback();
  await using serve = run(SYSTEM_NODE, [
    SALLYPORT,
    "serve",
    "--data",
    data,
    "--listen",
    `${host}:8787`,
    "--tcp",
    "8080",
    "--bind",
    host,
    "--log",
    "json",
  ]);
  await serve.until(/"msg":"ready"/);
  const env = { SALLYPORT_CONFIG_DIR: join(dir.path, "config") };
  const sallyport = (...words: string[]) => execute(SYSTEM_NODE, [SALLYPORT, ...words], { env });
  expect(await sallyport("login", `http://${host}:8787`, "--secret-file", join(data, "admin-secret"))).toMatchObject({
    code: 0,
  });
  await sallyport("site", "add", "lab");
  const unheld = await sallyport("map", "add", "9000/tcp", "lab", "10.0.0.5:80");
  expect(unheld.stderr).toContain(`--data '${data.replace("'", `'\\''`)}'`);
});

test("workerd that dies is started again, with everything it knew", async () => {
  await using edge = await testEdge({ tcp: "8080" });
  await edge.ok("site", "add", "lab");
  await edge.ok("map", "add", "8080/tcp", "lab", "10.0.0.5:80");
  process.kill(edge.workerd, "SIGKILL");
  await edge.serve.until(/"msg":"workerd is back"/);
  expect(edge.serve.stderr).toContain("workerd was ended by SIGKILL; starting it again");
  expect(await edge.json<MappingView[]>("map", "ls")).toMatchObject([{ endpoint: "8080/tcp" }]);
});

test("SIGTERM ends launcher and workerd, even while an agent is connected", async () => {
  await using edge = await testEdge();
  await edge.ok("site", "add", "lab");
  const token = join(edge.data, "token");
  await writeFile(token, await edge.ok("token", "agent", "lab", "--local", ...ANYWHERE), { mode: 0o600 });
  await using agent = run(SYSTEM_NODE, [SALLYPORT, "agent", "--token-file", token, "--log", "json"]);
  await agent.until(/"msg":"ready"/);
  expect((await edge.json<StatusView>("status")).sites).toMatchObject([{ state: "online" }]);
  const { workerd } = edge;
  expect(await edge.stop()).toMatchObject({ code: 0 });
  expect(isAlive(workerd)).toBe(false);
});

test("a launcher that is killed takes workerd along, and the next one starts on the same folder", async () => {
  await using edge = await testEdge({ tcp: "8080" });
  await edge.ok("site", "add", "lab");
  const { workerd } = edge;
  await using visitor = await held(edge.host, 8787);
  process.kill(edge.serve.pid, "SIGKILL");
  await once(visitor.socket, "close");
  await edge.serve.ended;
  await edge.start();
  expect(isAlive(workerd)).toBe(false);
  expect(await edge.json("site", "ls")).toMatchObject([{ name: "lab" }]);
});

test.runIf(process.platform === "linux")("a workerd that outlived its launcher is ended by the next one", async () => {
  await using edge = await testEdge({ tcp: "8080" });
  const { workerd } = edge;
  // The shell that watches over it dies first.
  const children = await readFile(`/proc/${edge.serve.pid}/task/${edge.serve.pid}/children`, "utf8");
  for (const pid of children.trim().split(" ").map(Number)) if (pid !== workerd) process.kill(pid, "SIGKILL");
  process.kill(edge.serve.pid, "SIGKILL");
  await edge.serve.ended;
  expect(isAlive(workerd)).toBe(true);
  // It still holds the ports and the storage.
  await edge.start();
  expect(edge.serve.stderr).toContain("ending a workerd that an earlier launcher left behind");
  expect(isAlive(workerd)).toBe(false);
});

test("HTTP CONNECT at the HTTP socket reaches nothing", async () => {
  await using edge = await testEdge({ tcp: "8080" });
  await using target = await listening(edge.host);
  let reached = 0;
  target.onConnection(() => reached++);
  await edge.ok("site", "add", "lab");
  await edge.ok("map", "add", "8080/tcp", "lab", `${target.host}:${target.port}`);
  for (const aim of [`${edge.host}:8080`, `${target.host}:${target.port}`, "127.0.0.1:8080", "localhost:22"]) {
    await using tunnel = await held(edge.host, 8787);
    tunnel.socket.write(`CONNECT ${aim} HTTP/1.1\r\nHost: ${aim}\r\n\r\nhello`);
    await once(tunnel.socket, "close");
    expect({ aim, received: tunnel.received().replace(/^HTTP\/1\.1 \d+ [^]*?\r\n\r\n/, "") }).toEqual({
      aim,
      received: "",
    });
  }
  expect(reached).toBe(0);
  expect(await edge.json("log")).toEqual([]);
});

test("with a certificate the control address speaks HTTPS", async () => {
  await using dir = await tempDir();
  const host = loopback();
  const { cert, key } = await certificate(dir.path, host, 1);
  await using serve = run(SYSTEM_NODE, [
    SALLYPORT,
    "serve",
    "--data",
    join(dir.path, "edge"),
    "--listen",
    `${host}:8443`,
    "--tls-cert",
    cert,
    "--tls-key",
    key,
    "--log",
    "json",
  ]);
  await serve.until(/"msg":"ready","url":"https:/);
  const health = await execute("curl", [
    "-sS",
    "--cacert",
    cert,
    "--connect-to",
    `edge:443:${host}:8443`,
    "-k",
    "https://edge/.sallyport/healthz",
  ]);
  expect(health.stdout).toContain("true");
});

test.each<[string, string[]]>([
  ["data-missing", ["serve"]],
  ["bad-ports", ["serve", "--data", "x", "--tcp", "80 81"]],
  ["bad-address", ["serve", "--data", "x", "--listen", "localhost"]],
  ["bad-address", ["serve", "--data", "x", "--bind", "eth0"]],
  ["bad-host", ["serve", "--data", "x", "--public-url", "https://edge.example/path"]],
  ["bad-cidr", ["serve", "--data", "x", "--trusted-proxy", "10.0.0.1/8"]],
  ["tls-incomplete", ["serve", "--data", "x", "--tls-cert", "cert.pem"]],
  ["metrics-nothing", ["serve", "--data", "x", "--metrics", "9465"]],
])("serve refuses what it can't mean: %s %j", async (code, words) => {
  await using dir = await tempDir();
  expect(await execute(SYSTEM_NODE, [SALLYPORT, ...words], { cwd: dir.path })).toMatchObject({
    code: 2,
    stdout: "",
    stderr: expect.stringContaining(`error[${code}]`),
  });
});

test("a data folder that can't be made is named", async () => {
  await using dir = await tempDir();
  await writeFile(join(dir.path, "file"), "");
  const { code, stderr } = await execute(SYSTEM_NODE, [SALLYPORT, "serve", "--data", join(dir.path, "file")]);
  expect({ code, stderr }).toEqual({
    code: 3,
    stderr: expect.stringMatching(/error\[data-unusable\]: .*file can't be used/),
  });
});

test.each([
  ["a workerd that does not start", [], { SALLYPORT_WORKERD: "/no/workerd" }],
  ["a certificate that is not there", ["--tls-cert", "/no/cert", "--tls-key", "/no/key"], {}],
  ["data where a service keeps none", ["--data", "/srv/edge"], {}],
])("serve --install puts nothing down when it refuses %s", async (_what, words, env) => {
  await using folder = await tempDir();
  const args = ["serve", "--install", "--root", folder.path, "--data", "/var/lib/sallyport", ...words];
  const { code, stderr } = await execute(SYSTEM_NODE, [SALLYPORT, ...args], { env });
  expect({ code, stderr }).not.toMatchObject({ code: 0 });
  expect(await readdir(folder.path)).toEqual([]);
});

test("SALLYPORT_WORKERD that does not start is named, with the way out", async () => {
  await using dir = await tempDir();
  const fake = join(dir.path, "workerd");
  await writeFile(fake, "#!/bin/sh\necho \"/lib/libc.so.6: version 'GLIBC_2.35' not found\" >&2\nexit 1\n", {
    mode: 0o755,
  });
  const words = [SALLYPORT, "serve", "--data", join(dir.path, "edge"), "--listen", `${loopback()}:8787`];
  expect(await execute(SYSTEM_NODE, words, { env: { SALLYPORT_WORKERD: fake } })).toMatchObject({
    code: 3,
    stderr: expect.stringContaining("error[workerd-libc]"),
  });
  await mkdir(join(dir.path, "folder"));
  expect(await execute(SYSTEM_NODE, words, { env: { SALLYPORT_WORKERD: join(dir.path, "folder") } })).toMatchObject({
    code: 3,
    stderr: expect.stringContaining("error[workerd-broken]"),
  });
});

/** A server on a free port of `host`. */
async function listening(host: string) {
  const server = createServer().listen(0, host);
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    host,
    port: address.port,
    onConnection: (listener: () => void) => void server.on("connection", listener),
    [Symbol.asyncDispose]: async () => void server.close(),
  };
}

/** A connection that stays open, and what came over it. */
async function held(host: string, port: number): Promise<{ socket: Socket; received: () => string } & AsyncDisposable> {
  const socket = connect(port, host);
  let text = "";
  socket.on("data", (chunk) => (text += String(chunk))).on("error", () => undefined);
  await once(socket, "connect");
  return { socket, received: () => text, [Symbol.asyncDispose]: async () => void socket.destroy() };
}

/** A zombie, which nobody has waited for, is dead. */
function isAlive(pid: number): boolean {
  return identityOf(pid) !== undefined;
}
