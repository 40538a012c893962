import { globSync } from "node:fs";
import { copyFile, mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { packArchive } from "../../scripts/package/archive.ts";
import { packDebian } from "../../scripts/package/debian.ts";
import { packExecutables } from "../../scripts/package/executables.ts";
import { VERSION } from "../../shared/wire/version.ts";
import { needs } from "../support/debian.ts";
import { testEdge } from "../support/edge.ts";
import { echoServer, exchange } from "../support/lan.ts";
import { execute, run } from "../support/run.ts";
import { tempDir } from "../support/temp-dir.ts";
import { writeFile } from "node:fs/promises";
import { ANYWHERE } from "../support/targets.ts";

const PROGRAMS = ["agent", "sallyport"];

test("the Debian package holds what it should, installs, runs, and leaves nothing", async (context) => {
  await needs(context, "dpkg", "nodejs");
  await using folder = await tempDir();
  packDebian(folder.path);
  const [file = ""] = globSync(join(folder.path, "*.deb"));
  const { stdout: listed } = await execute("dpkg-deb", ["--contents", file]);
  const held = listed
    .split("\n")
    .flatMap((line) => /^(\S+) (\S+) .* \.\/(\S*[^/])(?: -> \S+)?$/.exec(line)?.slice(1) ?? []);
  expect(held.filter((_, index) => index % 3 === 2).toSorted()).toEqual([
    "usr/bin/agent",
    "usr/bin/sallyport",
    "usr/lib/sallyport/agent.js",
    "usr/lib/sallyport/sallyport.js",
    "usr/share/doc/sallyport/CHANGELOG.md",
    "usr/share/doc/sallyport/README.md",
    "usr/share/doc/sallyport/copyright",
  ]);
  expect(held.filter((_, index) => index % 3 === 1).every((owner) => owner === "root/root")).toBe(true);
  expect((await execute("dpkg-deb", ["--field", file, "Depends"])).stdout).toBe("nodejs (>= 20.19)\n");

  const root = join(folder.path, "root");
  await mkdir(join(root, "var/lib/dpkg/info"), { recursive: true });
  await mkdir(join(root, "var/lib/dpkg/updates"), { recursive: true });
  await writeFile(join(root, "var/lib/dpkg/status"), "");
  const dpkg = (...words: string[]) =>
    execute("dpkg", [`--root=${root}`, "--force-depends,script-chrootless,not-root", ...words]);
  expect(await dpkg("--install", file)).toMatchObject({ code: 0 });
  for (const program of PROGRAMS) {
    const { code, stdout } = await execute("/usr/bin/node", [join(root, "usr/bin", program), "--version"]);
    expect([code, stdout]).toEqual([0, `${VERSION}\n`]);
  }
  expect(await dpkg("--purge", "sallyport")).toMatchObject({ code: 0 });
  expect(globSync(join(root, "usr/**/*sallyport*"))).toEqual([]);
});

test("the packed tarball installs into an empty folder, with nothing else, and is small", async () => {
  await using folder = await tempDir();
  packArchive(folder.path);
  const [file = ""] = globSync(join(folder.path, "*.tgz"));
  const words = ["install", "--offline", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", folder.path, file];
  expect(await execute("npm", words)).toMatchObject({ code: 0 });
  const installed = globSync(join(folder.path, "node_modules/*"));
  expect(installed).toEqual([join(folder.path, "node_modules/sallyport")]);
  const { stdout } = await execute("du", ["-sb", ...installed]);
  expect(Number.parseInt(stdout, 10)).toBeLessThan(5 * 2 ** 20);
  for (const program of PROGRAMS) {
    expect(await execute(join(folder.path, "node_modules/.bin", program), ["--version"])).toMatchObject({
      code: 0,
      stdout: `${VERSION}\n`,
    });
  }
});

test("the single executables serve and ask from an empty folder, with no Node on the machine", async (context) => {
  if (process.platform !== "linux" || process.arch !== "x64") return context.skip("is for Linux on x64");
  await using folder = await tempDir();
  packExecutables(folder.path, ["linux-x64"]);
  await using edge = await testEdge({ tcp: "8080" });
  await using echo = await echoServer();
  await edge.ok("site", "add", "lab");
  await edge.ok("map", "add", "8080/tcp", "lab", echo.address);
  const empty = join(folder.path, "empty");
  await mkdir(empty);
  await writeFile(join(empty, "token"), await edge.ok("token", "agent", "lab", "--local", ...ANYWHERE), {
    mode: 0o600,
  });
  const options = { cwd: empty, env: { PATH: "/nowhere", SALLYPORT_CONFIG_DIR: join(edge.data, "../config") } };
  for (const program of PROGRAMS) await copyFile(join(folder.path, `${program}-linux-x64`), join(empty, program));
  await using agent = run(join(empty, "agent"), ["--token-file", "token", "--log", "json"], options);
  await agent.until(/"msg":"ready"/);
  expect(await exchange(edge.host, 8080, "from one file")).toBe("from one file");
  const status = await execute(join(empty, "sallyport"), ["status"], options);
  expect(status).toMatchObject({ code: 0, stdout: expect.stringContaining("online") });
  expect((await stat(join(empty, "agent"))).mode & 0o111).not.toBe(0);
  return undefined;
});
