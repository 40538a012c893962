import { execFile } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { sha256 } from "../support/bytes.ts";
import { needs } from "../support/debian.ts";
import { loopback } from "../support/net.ts";
import { nginx } from "../support/nginx.ts";
import { execute, run } from "../support/run.ts";
import { testSite } from "../support/site.ts";
import { tempDir } from "../support/temp-dir.ts";

const HOST = "files.localhost";
const MIB = 1024 * 1024;

test("nginx behind a host: curl, ranges, and wrk without a single error", async (context) => {
  await needs(context, "nginx-light", "curl", "wrk");
  await using site = await testSite();
  await using server = await nginx({ large: 64 * MIB, small: 1024 });
  await site.map(`http://${HOST}`, `http://${server.address}`);
  const { host } = site.edge;
  const curl = (...words: string[]) =>
    execute("curl", ["--silent", "--show-error", "--resolve", `${HOST}:8787:${host}`, ...words]);
  await using folder = await tempDir();
  const [direct, relayed] = [join(folder.path, "direct"), join(folder.path, "relayed")];
  expect((await execute("curl", ["--silent", "-o", direct, `http://${server.address}/large`])).code).toBe(0);
  expect((await curl("-o", relayed, `http://${HOST}:8787/large`)).code).toBe(0);
  expect(sha256(await readFile(relayed))).toBe(sha256(await readFile(direct)));
  const range = await curl("-i", "-r", "100-199", `http://${HOST}:8787/small`);
  expect(range.stdout).toMatch(/^HTTP\/1\.1 206 [^]*content-range: bytes 100-199\/1024/i);
  const load = await execute("wrk", ["-t1", "-c16", "-d3s", "-H", `Host: ${HOST}:8787`, `http://${host}:8787/small`]);
  expect(load.stdout).toMatch(/[1-9]\d* requests in/);
  expect(load.stdout).not.toMatch(/Socket errors|Non-2xx/);
});

test("git pushes and clones through a host", async (context) => {
  await needs(context, "git", "nginx-light", "fcgiwrap", "spawn-fcgi");
  await using site = await testSite();
  await using folder = await tempDir();
  const bare = join(folder.path, "repos/project.git");
  await mkdir(bare, { recursive: true });
  const git = async (...words: string[]) =>
    promisify(execFile)(
      "git",
      [
        "-c",
        "protocol.version=2",
        "-c",
        "http.postBuffer=100000",
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@b",
        ...words,
      ],
      { cwd: folder.path },
    );
  await git("init", "--bare", "-b", "main", bare);
  await git("-C", bare, "config", "http.receivepack", "true");
  const socket = join(folder.path, "fcgi.sock");
  await using fcgi = run("spawn-fcgi", ["-n", "-s", socket, "--", "/usr/sbin/fcgiwrap"]);
  expect(fcgi.pid).toBeGreaterThan(0);
  const address = `${loopback()}:8080`;
  const config = join(folder.path, "nginx.conf");
  await writeFile(
    config,
    `daemon off; pid ${folder.path}/nginx.pid; error_log stderr notice; ${process.getuid?.() === 0 ? "user root;" : ""}
events {} http { access_log off; client_max_body_size 0; client_body_temp_path ${folder.path}/b; fastcgi_temp_path ${folder.path}/f; proxy_temp_path ${folder.path}/p; uwsgi_temp_path ${folder.path}/u; scgi_temp_path ${folder.path}/s;
server { listen ${address}; location / { include /etc/nginx/fastcgi_params; fastcgi_param SCRIPT_FILENAME /usr/lib/git-core/git-http-backend; fastcgi_param GIT_HTTP_EXPORT_ALL 1; fastcgi_param GIT_PROJECT_ROOT ${folder.path}/repos; fastcgi_param PATH_INFO $uri; fastcgi_pass unix:${socket}; } } }`,
  );
  await using server = run("nginx", ["-c", config, "-p", folder.path, "-e", "stderr"]);
  await server.until(/start worker process/);
  await site.map("http://git.localhost", `http://${address}`);
  const url = "http://git.localhost:8787/project.git";
  const through = ["-c", `http.curloptResolve=git.localhost:8787:${site.edge.host}`];
  await git("init", "-b", "main", "work");
  await writeFile(
    join(folder.path, "work/large"),
    Buffer.alloc(4 * MIB, 1).map((_, index) => (index * 7919) >> 8),
  );
  await git("-C", "work", "add", "large");
  await git("-C", "work", "commit", "-m", "one");
  await git(...through, "-C", "work", "push", url, "main");
  await git(...through, "clone", url, "copy");
  expect(sha256(await readFile(join(folder.path, "copy/large")))).toBe(
    sha256(await readFile(join(folder.path, "work/large"))),
  );
});
