import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { noise } from "../support/bytes.ts";
import { needs } from "../support/debian.ts";
import { loopback } from "../support/net.ts";
import { execute, run } from "../support/run.ts";
import { testSite } from "../support/site.ts";
import { tempDir } from "../support/temp-dir.ts";

test("files go both ways through a mapping to a TFTP server, which answers each request from a port of its own", async (context) => {
  await needs(context, "tftp-hpa", "tftpd-hpa");
  const [target, host] = [loopback(), loopback()];
  await using folder = await tempDir();
  const root = join(folder.path, "root");
  await mkdir(root, { mode: 0o777 });
  const firmware = Buffer.concat(await noise(300_000).toArray());
  await writeFile(join(root, "firmware"), firmware, { mode: 0o666 });
  await writeFile(join(root, "settings"), "", { mode: 0o666 });
  await using _server = run("/usr/sbin/in.tftpd", [
    ...["--foreground", "--address", `${target}:69`, "--secure", "--create"],
    ...["--user", "root", "--permissive", root],
  ]);
  await using site = await testSite();
  const token = await site.token("gateway");
  await site.map("6900/udp", `${target}:69`, "--reflector-ok");
  const gateway = await site.gateway(token, "--bind", host);
  await gateway.until(/"msg":"listening","endpoint":"6900\/udp"/);
  const local = join(folder.path, "local");
  const tftp = (...words: readonly string[]) => execute("tftp", ["-m", "binary", host, "6900", "-c", ...words]);
  expect(await tftp("get", "firmware", local)).toMatchObject({ code: 0 });
  expect((await readFile(local)).equals(firmware)).toBe(true);
  expect(await tftp("put", local, "settings")).toMatchObject({ code: 0 });
  expect((await readFile(join(root, "settings"))).equals(firmware)).toBe(true);
});

test("snmpbulkwalk has its long answers where its address is on the list, and a time-out that the log explains where it is not", async (context) => {
  await needs(context, "snmpd", "snmp");
  const [target, host, friend, stranger] = [loopback(), loopback(), loopback(), loopback()];
  await using folder = await tempDir();
  const settings = join(folder.path, "snmpd.conf");
  await writeFile(
    settings,
    `rocommunity public\nagentAddress udp:${target}:161\nsysLocation ${"a rack ".repeat(30)}\n`,
  );
  await using _server = run("/usr/sbin/snmpd", ["-f", "-Lo", "-C", "-c", settings, "-p", join(folder.path, "pid")]);
  await using site = await testSite();
  const token = await site.token("gateway");
  await site.map("1610/udp", `${target}:161`, "--allow-from", `${friend}/32`);
  await site.map("1611/udp", `${target}:161`, "--idle", "5s");
  const gateway = await site.gateway(token, "--bind", host);
  await gateway.until(/"msg":"listening","endpoint":"1611\/udp"/);
  const walk = (port: number, from: string, tries: number) =>
    execute("snmpbulkwalk", [
      ...["-v", "2c", "-c", "public", "-r", String(tries), "-t", "2", `--clientaddr=${from}`],
      ...["-Cr40", "-On", `udp:${host}:${port}`, "1.3.6.1.2.1.1"],
    ]);
  const walked = await walk(1610, friend, 10);
  expect({ ...walked, stdout: walked.stdout.slice(0, 2_000) }).toMatchObject({
    code: 0,
    stdout: expect.stringContaining("a rack a rack") as unknown,
  });
  expect((await walk(1611, stranger, 1)).stderr).toContain("Timeout");
  const log = (): Promise<string> => site.edge.ok("log", "--endpoint", "1611/udp");
  await expect.poll(log, { timeout: 60_000 }).toMatch(/refused \(denied\).*held back.*--allow-from with its network/);
});
