import { once } from "node:events";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { connect, type TLSSocket } from "node:tls";
import { expect, test } from "vitest";
import { AGENT, SALLYPORT, SYSTEM_NODE } from "../../scripts/tool.ts";
import { certificate } from "../support/certificates.ts";
import { needs } from "../support/debian.ts";
import { TestEdge } from "../support/edge.ts";
import { loopback } from "../support/net.ts";
import { execute } from "../support/run.ts";
import { tempDir } from "../support/temp-dir.ts";
import { unsignedToken } from "../support/unsigned-token.ts";

/** Above this, systemd calls a service "MEDIUM" exposed. */
const MOST_EXPOSED = 2;

test("the agent's unit is one that systemd accepts and finds well protected", async (context) => {
  await needs(context, "systemd");
  await using folder = await tempDir();
  const tokenFile = join(folder.path, "token");
  await writeFile(tokenFile, unsignedToken("lab"), { mode: 0o600 });
  await install(folder.path, [AGENT, "install", "--token-file", tokenFile]);
  expect(await exposure(folder.path, "sallyport-agent")).toBeLessThan(MOST_EXPOSED);
});

test("the edge's unit is one that systemd accepts and finds well protected, even with a low port", async (context) => {
  await needs(context, "systemd", "openssl");
  await using folder = await tempDir();
  const { cert, key } = await certificate(folder.path, "127.0.0.1", 1);
  const tls = ["--tls-cert", cert, "--tls-key", key];
  const where = ["--data", "/var/lib/sallyport", "--listen", "0.0.0.0:443", "--tcp", "8080"];
  await install(folder.path, [SALLYPORT, "serve", "--install", ...where, ...tls]);
  expect(await exposure(folder.path, "sallyport-edge")).toBeLessThan(MOST_EXPOSED);
  const unit = await readFile(unitFile(folder.path, "sallyport-edge"), "utf8");
  expect(unit).toContain("AmbientCapabilities=CAP_NET_BIND_SERVICE\n");
  expect(unit).toContain(`LoadCredential=tls-key:${key}\n`);
});

test("a renewed certificate is taken on SIGHUP, and one that does not fit is not", async (context) => {
  await needs(context, "openssl");
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempDir());
  const host = loopback();
  const { cert, key } = await certificate(folder.path, host, 17);
  const edge = stack.use(new TestEdge(host, folder.path, {}, stack.use(new AsyncDisposableStack())));
  await edge.start("--tls-cert", cert, "--tls-key", key);
  expect(await servedSerial(host)).toBe("11");

  const old = await readFile(key);
  await certificate(folder.path, host, 18);
  const renewed = await readFile(key);
  await writeFile(key, old);
  edge.serve.kill("SIGHUP");
  await edge.serve.until(/"msg":"the new certificate is not used"/);
  expect(await servedSerial(host)).toBe("11");

  await writeFile(key, renewed);
  edge.serve.kill("SIGHUP");
  await edge.serve.until(/"msg":"workerd is back"/);
  expect(await servedSerial(host)).toBe("12");
});

async function install(folder: string, words: readonly string[]): Promise<void> {
  const root = join(folder, "root");
  await mkdir(root);
  expect(await execute(SYSTEM_NODE, [...words, "--root", root])).toMatchObject({ code: 0 });
  // The commands it starts are looked for on this machine, so they are named where they are.
  const [name] = words[0] === AGENT ? ["sallyport-agent"] : ["sallyport-edge"];
  const file = unitFile(folder, name ?? "");
  await writeFile(file, (await readFile(file, "utf8")).replaceAll("/usr/local/lib", join(root, "usr/local/lib")));
}

function unitFile(folder: string, service: string): string {
  return join(folder, "root/etc/systemd/system", `${service}.service`);
}

/** What `systemd-analyze` finds: no complaint, and how exposed the service is, from 0 to 10. */
async function exposure(folder: string, service: string): Promise<number> {
  const file = unitFile(folder, service);
  expect(await execute("systemd-analyze", ["verify", "--man=no", file])).toMatchObject({ code: 0, stderr: "" });
  const { stdout } = await execute("systemd-analyze", ["security", "--offline=yes", "--no-pager", file]);
  return Number(/Overall exposure level for \S+: ([\d.]+)/.exec(stdout)?.[1]);
}

/** Serial number, in hex, of the certificate an edge shows. */
async function servedSerial(host: string): Promise<string> {
  const socket: TLSSocket = connect({ host, port: 8787, rejectUnauthorized: false });
  await once(socket, "secureConnect");
  const { serialNumber } = socket.getPeerCertificate();
  socket.destroy();
  return serialNumber;
}
