import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { AGENT, SALLYPORT, SYSTEM_NODE } from "../../scripts/tool.ts";
import { CAMERA, CAMERA_PACKAGES } from "../support/camera.ts";
import { needs } from "../support/debian.ts";
import { cable, type Machine } from "../support/namespaces.ts";
import { execute, run, type Ended, type Run } from "../support/run.ts";
import { tempDir } from "../support/temp-dir.ts";

/** What docs/recipes/ports-and-media.md says of cameras: on one machine everything would hear the video, so these are two. */
test("RTSP over UDP does not pass a mapping, not even with the camera's ports mapped one to one; a viewer that may falls back to TCP", async (context) => {
  await needs(context, "iproute2", ...CAMERA_PACKAGES);
  await using network = await cable(context);
  await using folder = await tempDir();
  const { a: outside, b: lan } = network;
  await using edge = await edgeOn(outside, folder.path);
  await edge.ok("site", "add", "lab");
  const token = join(folder.path, "agent.token");
  await writeFile(token, await edge.ok("token", "agent", "lab"), { mode: 0o600 });
  await using _camera = await started(
    lan,
    /camera ready/,
    "/usr/bin/python3",
    "-c",
    CAMERA,
    lan.address,
    "10000-10009",
  );
  const words = ["--token-file", token, "--insecure", "--log", "json"];
  await using _agent = await started(lan, /"msg":"ready"/, SYSTEM_NODE, AGENT, ...words);
  await edge.ok("map", "add", "8554/tcp", "lab", `${lan.address}:8554`);
  await edge.ok("map", "add", "10000-10009/udp", "lab", `${lan.address}:10000-10009`);
  await edge.serve.until(/"msg":"gateway: listening","endpoint":"10009\/udp"/);

  const pull = (...transport: readonly string[]): Promise<Ended> => {
    const url = `rtsp://${outside.address}:8554/cam`;
    const wanted = ["-i", url, "-frames:v", "10", "-f", "null", "-"];
    return inside(outside, "ffmpeg", "-hide_banner", "-nostdin", "-timeout", "6000000", ...transport, ...wanted);
  };
  expect(await pull("-rtsp_transport", "tcp")).toMatchObject({ code: 0, stderr: expect.stringMatching(/frame= *10/) });
  const udp = await pull("-rtsp_transport", "udp");
  expect(udp.code).not.toBe(0);
  expect(udp.stderr).not.toMatch(/frame= *[1-9]/);
  const either = await pull();
  expect(either).toMatchObject({
    code: 0,
    stderr: expect.stringMatching(/UDP timeout, retrying with TCP[^]*frame= *10/),
  });
});

/** An edge with a gateway of its own on one of the two machines, and the commands that ask it. */
async function edgeOn(machine: Machine, folder: string) {
  const data = join(folder, "edge");
  const env = { SALLYPORT_CONFIG_DIR: join(folder, "config") };
  await mkdir(env.SALLYPORT_CONFIG_DIR);
  const ports = ["--bind", machine.address, "--ports", "8554", "--udp", "10000-10009"];
  const at = ["--listen", `${machine.address}:8787`, "--public-url", `http://${machine.address}:8787`];
  const [command = "", ...rest] = machine.enter;
  const serve = run(
    command,
    [...rest, SYSTEM_NODE, SALLYPORT, "serve", "--data", data, ...at, ...ports, "--log", "json"],
    { env },
  );
  await serve.until(/"msg":"ready"/);
  const ok = async (...words: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await execute(command, [...rest, SYSTEM_NODE, SALLYPORT, ...words], { env });
    expect({ words, code, stderr }).toMatchObject({ code: 0 });
    return stdout.trim();
  };
  await ok("login", `http://${machine.address}:8787`, "--insecure", "--secret-file", join(data, "admin-secret"));
  return { serve, ok, [Symbol.asyncDispose]: () => serve[Symbol.asyncDispose]() };
}

function inside({ enter }: Machine, ...words: readonly string[]): Promise<Ended> {
  const [command = "", ...rest] = [...enter, ...words];
  return execute(command, rest);
}

/** A program on a machine, once it has said that it is ready. */
async function started({ enter }: Machine, ready: RegExp, ...words: readonly string[]): Promise<Run> {
  const [command = "", ...rest] = [...enter, ...words];
  const child = run(command, rest);
  try {
    await child.until(ready);
    return child;
  } catch (error) {
    await child[Symbol.asyncDispose]();
    throw error;
  }
}
