import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { digest, noise, sha256 } from "../support/bytes.ts";
import { needs } from "../support/debian.ts";
import { loopback } from "../support/net.ts";
import { tcpServer } from "../support/peers.ts";
import { published } from "../support/published.ts";
import { execute, run, type Run } from "../support/run.ts";
import { sshd } from "../support/sshd.ts";
import { tempDir } from "../support/temp-dir.ts";

const MIB = 1024 * 1024;

test("iperf3 measures both directions, four streams at once, and nothing is lost", async (context) => {
  await needs(context, "iperf3");
  const host = loopback();
  await using server = run("iperf3", ["-s", "-B", host, "-p", "5201", "--forceflush"]);
  await server.until(/Server listening/);
  await using edge = await published({ 5201: `${host}:5201` });
  for (const direction of [[], ["-R"]]) {
    const words = ["-c", edge.host, "-p", "5201", "-J", "-n", "64M", "-P", "4", ...direction];
    const { code, stdout } = await execute("iperf3", words);
    const { error, end } = JSON.parse(stdout) as {
      error?: string;
      end: Record<"sum_sent" | "sum_received", { bytes: number }>;
    };
    expect([code, error]).toEqual([0, undefined]);
    // The sender stops as soon as it has written enough; the receiver counts what it has read by then.
    expect(end.sum_sent.bytes).toBeGreaterThanOrEqual(64 * MIB);
    expect(end.sum_received.bytes).toBeGreaterThan(0);
  }
});

test("`yes | head`: a visitor who has enough ends an endless target", async (context) => {
  await needs(context, "netcat-openbsd");
  const host = loopback();
  await using target = run("sh", ["-c", `yes | nc -l -N ${host} 7000; echo ended`]);
  await using edge = await published({ 7000: `${host}:7000` });
  const { stdout } = await execute("sh", ["-c", `nc ${edge.host} 7000 </dev/null | head -n 100000 | sha256sum`]);
  const expected = await execute("sh", ["-c", "yes | head -n 100000 | sha256sum"]);
  expect(stdout).toBe(expected.stdout);
  await target.until(/^ended/m);
});

test("nc -N: the end of a visitor's input reaches the target, which answers after it", async (context) => {
  await needs(context, "netcat-openbsd");
  await using target = await tcpServer(loopback(), 0, (socket) => {
    // Through a pipe: reading a socket to its end would close it.
    void digest(socket.pipe(new PassThrough())).then((heard) => socket.end(`${heard.bytes} ${heard.sha256}`));
  });
  await using edge = await published({ 7001: `${target.host}:${target.port}` });
  const { stdout } = await execute("sh", ["-c", `head -c 3000000 /dev/zero | nc -N ${edge.host} 7001`]);
  expect(stdout).toBe(`3000000 ${sha256(Buffer.alloc(3_000_000))}`);
});

test("nc -N: the end of a target's output reaches the visitor, who goes on talking", async (context) => {
  await needs(context, "netcat-openbsd");
  const heard = Promise.withResolvers<string>();
  await using target = await tcpServer(loopback(), 0, (socket) => {
    socket.end(`${"x".repeat(3_000_000)}\nthat is all\n`);
    socket.on("data", (bytes) => heard.resolve(bytes.toString()));
  });
  await using edge = await published({ 7002: `${target.host}:${target.port}` });
  await using visitor = run("nc", ["-N", edge.host, "7002"], { interactive: true });
  await visitor.until(/^that is all/m);
  expect(visitor.stdout.length).toBe(3_000_013);
  visitor.type("is that all?\n");
  expect(await heard.promise).toBe("is that all?\n");
});

test("PostgreSQL through its own client: a million rows out, a copy in, a cancelled query", async (context) => {
  await needs(context, "postgresql", "postgresql-client");
  await using server = await postgres();
  await using edge = await published({ 5432: server.address });
  const psql = (...words: string[]) =>
    execute(
      "psql",
      ["-h", edge.host, "-p", "5432", "-U", "lab", "-d", "postgres", "-XAtq", "-v", "ON_ERROR_STOP=1", ...words],
      {
        env: { PGPASSWORD: "secret", PGCONNECT_TIMEOUT: "60" },
      },
    );
  const out = await psql(
    "-c",
    "select count(*), sum(n), md5(string_agg(n::text, '' order by n)) from generate_series(1, 100000) n",
  );
  expect(out).toMatchObject({ code: 0, stdout: expect.stringMatching(/^100000\|5000050000\|[0-9a-f]{32}\n$/) });
  const rows = await psql("-c", "select n from generate_series(1, 1000000) n");
  expect(rows.stdout.length).toBe(6_888_896);
  await using folder = await tempDir();
  const file = join(folder.path, "rows");
  await writeFile(file, rows.stdout);
  const copied = await psql(
    "-c",
    "create table copied (n int)",
    "-c",
    `\\copy copied from ${file}`,
    "-c",
    "select sum(n) from copied",
  );
  expect(copied).toMatchObject({ code: 0, stdout: "500000500000\n" });
  const cancelled = await psql("-c", "set statement_timeout = 200", "-c", "select pg_sleep(60)");
  expect(cancelled).toMatchObject({ stderr: expect.stringContaining("canceling statement due to statement timeout") });
});

test("Redis through its own client: a pipeline, a megabyte, and a subscriber who hears", async (context) => {
  await needs(context, "redis-server", "redis-tools");
  const host = loopback();
  await using server = run("redis-server", ["--bind", host, "--port", "6379", "--save", "", "--protected-mode", "no"]);
  await server.until(/Ready to accept connections/);
  await using edge = await published({ 6379: `${host}:6379` });
  const redis = (words: string[], input?: string) =>
    execute("redis-cli", ["-h", edge.host, "-p", "6379", ...words], input === undefined ? {} : { input });
  const pipeline = Array.from({ length: 20_000 }, (_, index) => `SET key:${index} ${index}\r\n`).join("");
  expect((await redis(["--pipe"], pipeline)).stdout).toContain("errors: 0, replies: 20000");
  expect((await redis(["get", "key:19999"])).stdout.trim()).toBe("19999");
  const large = "0123456789abcdef".repeat(65_536);
  await redis(["-x", "set", "large"], large);
  expect((await redis(["get", "large"])).stdout).toBe(`${large}\n`);
  await using subscriber = run("redis-cli", ["-h", edge.host, "-p", "6379", "subscribe", "news"], {
    interactive: true,
  });
  await subscriber.until(/subscribe\s+news/);
  expect((await redis(["publish", "news", "it works"])).stdout.trim()).toBe("1");
  await subscriber.until(/it works/);
});

test("scp both ways: files arrive unchanged", async (context) => {
  await needs(context, "openssh-server", "openssh-client");
  await using server = await sshd();
  await using edge = await published({ 2022: server.address });
  await using folder = await tempDir();
  const [here, there, back] = ["here", "there", "back"].map((name) => join(folder.path, name)) as [
    string,
    string,
    string,
  ];
  await writeFile(here, noise(48 * MIB));
  // ssh's arguments are scp's, but for the port's letter and where the host goes.
  const words = server.client(edge.host, 2022).map((word) => (word === "-p" ? "-P" : word));
  const who = words.pop() ?? "";
  const scp = async (from: string, to: string): Promise<void> => {
    const { code, stderr } = await execute("scp", ["-q", ...words, from, to]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  };
  await scp(here, `${who}:${there}`);
  await scp(`${who}:${there}`, back);
  const expected = await digest(noise(48 * MIB));
  for (const file of [there, back]) {
    const { stdout } = await execute("sha256sum", [file]);
    expect(stdout.split(" ")[0]).toBe(expected.sha256);
  }
});

/** Debian's PostgreSQL with a cluster of its own: user lab, password secret. */
async function postgres(): Promise<AsyncDisposable & { address: string }> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempDir());
  const { stdout } = await execute("sh", ["-c", "ls -d /usr/lib/postgresql/*/bin | tail -n 1"]);
  const bin = stdout.trim();
  const data = join(folder.path, "data");
  const password = join(folder.path, "password");
  await writeFile(password, "secret");
  await mkdir(data);
  // It refuses to run as root.
  const isRoot = process.getuid?.() === 0;
  if (isRoot) await execute("chown", ["-R", "postgres", folder.path]);
  const as = (...words: string[]): [string, string[]] =>
    isRoot
      ? ["setpriv", ["--reuid=postgres", "--regid=postgres", "--init-groups", ...words]]
      : [words[0] ?? "", words.slice(1)];
  const made = await execute(
    ...as(
      `${bin}/initdb`,
      "-D",
      data,
      "-U",
      "lab",
      "--pwfile",
      password,
      "-A",
      "scram-sha-256",
      "-E",
      "UTF8",
      "--no-sync",
    ),
  );
  expect(made).toMatchObject({ code: 0 });
  const host = loopback();
  const server: Run = stack.use(
    run(...as(`${bin}/postgres`, "-D", data, "-h", host, "-p", "5432", "-k", folder.path, "-F")),
  );
  await server.until(/ready to accept connections/);
  const owned = stack.move();
  return { address: `${host}:5432`, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
