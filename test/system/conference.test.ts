import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { needs } from "../support/debian.ts";
import { publicSite } from "../support/gateway-site.ts";
import { MumbleClient } from "../support/mumble.ts";
import { loopback } from "../support/net.ts";
import { run } from "../support/run.ts";
import { tempDir } from "../support/temp-dir.ts";

const FRAMES = 100;
const EVERY_MS = 20;

test("a conference on a Mumble server: TLS and UDP on one port number, and each hears what the other says", async (context) => {
  await needs(context, "mumble-server");
  await using folder = await tempDir();
  const target = loopback();
  // Started as root, it works as a user of its own.
  await chmod(folder.path, 0o777);
  const config = join(folder.path, "server.ini");
  await writeFile(
    config,
    `host=${target}\nport=64738\ndatabase=${join(folder.path, "db")}\nlogfile=\nuname=\nice=\nbonjour=False\n`,
  );
  await using server = run("/usr/sbin/murmurd", ["-fg", "-ini", config]);
  await server.until(/Server listening on/);
  await using edge = await publicSite({ "64738/tcp+udp": `${target}:64738` });
  const at = { host: edge.host, port: 64_738 };
  await using alice = await MumbleClient.join(at, "alice");
  await using bob = await MumbleClient.join(at, "bob");
  await Promise.all([alice.proveUdp(), bob.proveUdp()]);
  const frames = (of: number): Buffer[] => Array.from({ length: FRAMES }, (_, index) => Buffer.alloc(60, index + of));
  // No zeroes: Mumble changes a bit of blocks that could be those of an attack on OCB2.
  const [hers, his] = [frames(1), frames(1 + FRAMES)];
  for (let index = 0; index < FRAMES; index += 1) {
    alice.speak(hers[index] as Buffer);
    bob.speak(his[index] as Buffer);
    await sleep(EVERY_MS);
  }
  await sleep(1_000);
  for (const [listener, speaker, said] of [
    [bob, alice, hers],
    [alice, bob, his],
  ] as const) {
    const heard = listener.voices;
    expect(new Set(heard.map(({ session }) => session))).toEqual(new Set([speaker.session]));
    // In order; a few that were late on a busy machine may be missing.
    const values = heard.map(({ frame }) => frame[0] ?? 0);
    expect(values).toEqual([...values].sort((a, b) => a - b));
    expect(heard.every(({ frame }) => said.some((each) => each.equals(frame)))).toBe(true);
    expect(heard.length).toBeGreaterThanOrEqual(FRAMES * 0.95);
  }
});
