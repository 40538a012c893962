import { createHash } from "node:crypto";
import { once } from "node:events";
import { copyFile, readdir, readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { ROOT, SALLYPORT, SYSTEM_NODE } from "../../scripts/tool.ts";
import { loopback } from "../support/net.ts";
import { execute } from "../support/run.ts";
import { tempDir } from "../support/temp-dir.ts";

/** A registry that has every package in our version, each with a hash that fits; but in none is what we were built with. */
async function otherRegistry(): Promise<Disposable & { url: string }> {
  const { packages } = JSON.parse(await readFile(join(ROOT, "package-lock.json"), "utf8")) as {
    packages: Record<string, { version: string }>;
  };
  const tarball = gzipSync(Buffer.alloc(1024));
  const integrity = `sha512-${createHash("sha512").update(tarball).digest("base64")}`;
  const server = createServer((request, response) => {
    const name = decodeURIComponent(request.url ?? "").slice(1);
    if (name.endsWith(".tgz")) return void response.end(tarball);
    const version = packages[`node_modules/${name}`]?.version ?? "1.0.0";
    const dist = { integrity, tarball: `${url}/${name}.tgz` };
    const versions = { [version]: { name, version, dist } };
    return void response.end(JSON.stringify({ name, "dist-tags": { latest: version }, versions }));
  }).listen(0, loopback());
  await once(server, "listening");
  const { address, port } = server.address() as AddressInfo;
  const url = `http://${address}:${port}`;
  return {
    url,
    [Symbol.dispose]: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

test.each([
  ["workerd", ["serve", "--data", "edge", "--listen", `${loopback()}:0`]],
  ["wrangler", ["deploy", "--dry-run"]],
])(
  "a registry that has another %s under the same version is not believed, and nothing is kept",
  async (what, words) => {
    using registry = await otherRegistry();
    await using folder = await tempDir();
    // Away from the packages of this project.
    const program = join(folder.path, "sallyport.js");
    await copyFile(SALLYPORT, program);
    const env = {
      PATH: "/usr/bin:/bin",
      XDG_CACHE_HOME: join(folder.path, "cache"),
      SALLYPORT_CONFIG_DIR: folder.path,
      npm_config_registry: registry.url,
      npm_config_cache: join(folder.path, "npm"),
    };
    const { code, stderr } = await execute(SYSTEM_NODE, [program, ...words], { cwd: folder.path, env });
    expect({ code, stderr }).toMatchObject({ code: 3 });
    expect(stderr).toMatch(new RegExp(`error\\[${what}-missing\\]: ${what} [^]*could not be fetched: [^]*EINTEGRITY`));
    expect(await readdir(join(folder.path, "cache/sallyport"))).toEqual([]);
  },
);
