import { expect, test } from "vitest";
import { needs } from "../support/debian.ts";
import { loopback } from "../support/net.ts";
import { execute, run } from "../support/run.ts";
import { testSite } from "../support/site.ts";

/** An answer of more than three times its question. */
const LONG = "x".repeat(250);

test("dig through a UDP mapping: a long answer needs a source list or an explicit word, and else is asked for over TCP", async (context) => {
  await needs(context, "dnsmasq-base", "bind9-dnsutils");
  const [target, host, friend] = [loopback(), loopback(), loopback()];
  await using server = run("/usr/sbin/dnsmasq", [
    "--keep-in-foreground",
    "--log-facility=-",
    "--no-resolv",
    "--no-hosts",
    "--conf-file=/dev/null",
    "--pid-file=",
    "--user=root",
    "--bind-interfaces",
    `--listen-address=${target}`,
    "--port=53",
    "--address=/camera.example/192.0.2.7",
    `--txt-record=long.example,${LONG}`,
  ]);
  await server.until(/started, version/);
  await using site = await testSite();
  const token = await site.token("gateway");
  // Three ways to the same server: open to all, with its owner's word that it may answer at length, and for a list.
  await site.map("5300/tcp+udp", `${target}:53`);
  await site.map("5301/udp", `${target}:53`, "--reflector-ok");
  await site.map("5302/udp", `${target}:53`, "--allow-from", `${friend}/32`);
  const gateway = await site.gateway(token, "--bind", host);
  for (const endpoint of ["5300/tcp", "5300/udp", "5302/udp"])
    await gateway.until(new RegExp(`"msg":"listening","endpoint":"${endpoint}"`));
  const dig = async (port: number, name: string, type: string, ...more: readonly string[]) => {
    const words = [`@${host}`, "-p", String(port), "+short", "+notcp", "+time=2", "+tries=10", ...more];
    return execute("dig", [...words, name, type]);
  };
  const long = { code: 0, stdout: `"${LONG}"\n` };
  expect(await dig(5300, "camera.example", "A", "+ignore")).toMatchObject({ code: 0, stdout: "192.0.2.7\n" });
  expect(await dig(5301, "long.example", "TXT", "+ignore")).toMatchObject(long);
  expect(await dig(5302, "long.example", "TXT", "+ignore", "-b", friend)).toMatchObject(long);
  expect((await dig(5300, "long.example", "TXT", "+ignore")).stdout).not.toContain(LONG);
  // As resolvers do: cut short over UDP, whole over TCP.
  expect(await dig(5300, "long.example", "TXT")).toMatchObject(long);
});
