import { once } from "node:events";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "../../scripts/tool.ts";
import { loopback } from "../support/net.ts";
import { run, type Run } from "../support/run.ts";
import { tempDir } from "../support/temp-dir.ts";

/** `npm start`, less npm, with a private web server that answers its own name. */
function start(host: string, data: string, ...maps: readonly string[]): Run {
  const where = ["--listen", `${host}:8787`, "--bind", host, "--data", data];
  return run(process.execPath, [join(ROOT, "scripts/start.ts"), ...where, ...maps.flatMap((map) => ["--map", map])]);
}

async function webServer(name: string): Promise<{ address: string } & Disposable> {
  const server = createServer((_request, response) => response.end(name)).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    address: `127.0.0.1:${port}`,
    [Symbol.dispose]: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

async function ask(url: string): Promise<string> {
  return await (await fetch(url, { headers: { connection: "close" } })).text();
}

/** Processes that were told this folder or work in it. */
function processesOf(folder: string): string[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.filter((pid) => {
    try {
      const told = readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(folder);
      return told || readlinkSync(`/proc/${pid}/cwd`).startsWith(folder);
    } catch {
      // It ended while we looked.
      return false;
    }
  });
}

test("npm start maps ports, again after Ctrl-C, and leaves no process", async () => {
  using blue = await webServer("blue");
  using green = await webServer("green");
  await using data = await tempDir();
  const host = loopback();
  for (const [maps, answers] of [
    [[`8080=${blue.address}`, `8090=${green.address}`], { 8080: "blue", 8090: "green" }],
    // What was mapped the last time is mapped anew, and what is not named any more is gone.
    [[`8090=${blue.address}`], { 8090: "blue" }],
  ] as const) {
    await using started = start(host, data.path, ...maps);
    await started.until(/^Ready\./m);
    for (const [port, answer] of Object.entries(answers)) expect(await ask(`http://${host}:${port}/`)).toBe(answer);
    expect(processesOf(data.path)).not.toEqual([]);
    started.kill("SIGINT");
    expect((await started.ended).code).toBe(0);
    expect(processesOf(data.path)).toEqual([]);
  }
});

test("npm start names a port that is taken, and another to use", async () => {
  using server = await webServer("mine");
  await using data = await tempDir();
  const port = Number(server.address.split(":")[1]);
  await using started = start("127.0.0.1", data.path, `${port}=127.2.2.102:8090`);
  const { code, stderr } = await started.ended;
  expect(code).toBe(1);
  expect(stderr).toMatch(`Port ${port} is taken`);
  expect(stderr).toMatch(/npm start -- --map \d+=127\.2\.2\.102:8090/);
});
