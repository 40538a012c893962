import { expect, test } from "vitest";
import { needs } from "../support/debian.ts";
import { loopback } from "../support/net.ts";
import { execute, run } from "../support/run.ts";
import { testSite } from "../support/site.ts";

/** An answer of more than three times its question. */
const LONG = "x".repeat(250);

test("dig through a UDP mapping; what a reflector answers at length needs an explicit word", async (context) => {
  await needs(context, "dnsmasq-base", "bind9-dnsutils");
  const [target, host] = [loopback(), loopback()];
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
  // Two ways to the same server: the well-known reflector as it is, and one whose owner has said that it may answer.
  await site.map("5300/udp", `${target}:53`);
  await site.map("5301/udp", `${target}:53`, "--reflector-ok");
  const gateway = await site.gateway(token, "--bind", host);
  await gateway.until(/"msg":"listening","endpoint":"5300\\?\/udp"/);
  const dig = async (port: number, name: string, type: string, tries: number) => {
    const words = [`@${host}`, "-p", String(port), "+short", "+ignore", "+notcp", "+time=2", `+tries=${tries}`];
    return execute("dig", [...words, name, type]);
  };
  expect(await dig(5300, "camera.example", "A", 10)).toMatchObject({ code: 0, stdout: "192.0.2.7\n" });
  expect(await dig(5301, "long.example", "TXT", 10)).toMatchObject({ code: 0, stdout: `"${LONG}"\n` });
  expect((await dig(5300, "long.example", "TXT", 1)).stdout).not.toContain(LONG);
});
