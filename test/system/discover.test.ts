import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { AGENT, SYSTEM_NODE } from "../../scripts/tool.ts";
import type { Proposal } from "../../agent/commands/discover.ts";
import { needs } from "../support/debian.ts";
import { cable } from "../support/namespaces.ts";
import { execute, run } from "../support/run.ts";
import { tempDir } from "../support/temp-dir.ts";
import { unsignedToken } from "../support/unsigned-token.ts";

/** Ports that nobody would try: they are only found because the devices say so. */
const PAGE_PORT = 38_123;
const DLNA_PORT = 38_200;

const PAGE = `require("node:http").createServer((_, answer) => answer.end("<title>Boiler</title>")).listen(${PAGE_PORT}, "0.0.0.0", () => console.log("ready"))`;

test("agent discover finds what avahi and minidlna announce on the LAN, on whatever port it is", async (context) => {
  await needs(context, "iproute2", "avahi-daemon", "minidlna");
  await using lan = await cable(context);
  await using folder = await tempDir();
  const { a: box, b: device } = lan;
  await using _page = await started(device.enter, [SYSTEM_NODE, "-e", PAGE], /ready/);

  const services = join(folder.path, "services");
  await mkdir(services);
  await writeFile(
    join(services, "boiler.service"),
    `<service-group><name>Boiler</name><service><type>_http._tcp</type><port>${PAGE_PORT}</port></service></service-group>`,
  );
  const avahi = join(folder.path, "avahi.conf");
  await writeFile(avahi, "[server]\nhost-name=boiler\nuse-ipv6=no\nenable-dbus=no\n");
  // Where it looks for its services, and keeps its pid, can't be chosen: this machine's own stay as they are.
  const mounts = `mount --bind ${services} /etc/avahi/services && mount -t tmpfs tmpfs /run && exec avahi-daemon --no-drop-root --no-chroot -f ${avahi}`;
  await using _avahi = await started(device.enter, ["sh", "-c", mounts], /Service .* successfully established/);

  const dlna = join(folder.path, "dlna.conf");
  await writeFile(
    dlna,
    [
      "network_interface=cable",
      `port=${DLNA_PORT}`,
      `media_dir=${services}`,
      `db_dir=${folder.path}`,
      "friendly_name=Films",
    ].join("\n"),
  );
  await using _dlna = await started(
    device.enter,
    ["minidlnad", "-d", "-f", dlna, "-P", join(folder.path, "pid")],
    /HTTP listening on port/,
  );

  const tokenFile = join(folder.path, "token");
  await writeFile(tokenFile, unsignedToken("lab"), { mode: 0o600 });
  const discover = async (allow: string): Promise<Proposal[]> => {
    const words = [AGENT, "discover", "--token-file", tokenFile, "--allow", allow, "--json"];
    const [command = "", ...rest] = [...box.enter, SYSTEM_NODE, ...words];
    const { code, stdout, stderr } = await execute(command, rest);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    return JSON.parse(stdout) as Proposal[];
  };
  // Datagrams to everybody are sent once, by either side, and may be missed on a busy machine.
  await expect
    .poll(() => discover("10.77.0.0/24"), { timeout: 120_000 })
    .toMatchObject([
      { target: `${device.address}:${PAGE_PORT}`, service: "web", what: expect.stringMatching(/mDNS: Boiler.*Boiler/) },
      { target: `${device.address}:${DLNA_PORT}`, service: "web", what: expect.stringMatching(/UPnP: .*MiniDLNA/) },
    ]);
  // What they announce outside the allowed ranges is not even dialled.
  expect(await discover("10.77.0.3/32")).toEqual([]);
});

/** A program in a namespace, once it has said that it is ready. */
async function started(enter: readonly string[], command: readonly string[], ready: RegExp) {
  const [program = "", ...words] = [...enter, ...command];
  const child = run(program, words);
  try {
    await child.until(ready);
  } catch (error) {
    await child[Symbol.asyncDispose]();
    throw error;
  }
  return child;
}
