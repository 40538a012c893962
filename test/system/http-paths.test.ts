import { mkdir, writeFile } from "node:fs/promises";
import type { RequestListener } from "node:http";
import { createRequire } from "node:module";
import { join, posix } from "node:path";
import { expect, test, type TestContext } from "vitest";
import { needs } from "../support/debian.ts";
import { DISGUISES } from "../support/disguises.ts";
import { askHttp, httpOrigin } from "../support/http.ts";
import { loopback } from "../support/net.ts";
import { execute, run } from "../support/run.ts";
import { testSite } from "../support/site.ts";
import { tempDir } from "../support/temp-dir.ts";

// Real servers with a page that a prefix of the edge keeps for holders of a token: whatever such a server takes for that
// page, the edge must not let a stranger ask for.

const HOST = "shop.localhost";
const SECRET = "for the office only";

type Server = AsyncDisposable & { readonly url: string };

/** Express with its defaults, from the npm registry; elsewhere than under CI the test is skipped when it can't be had. */
async function express(context: TestContext): Promise<Server> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempDir());
  const words = ["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", folder.path, "express@5.1.0"];
  const { code, stderr } = await execute("npm", words);
  if (code !== 0) {
    if (process.env.CI !== undefined) throw new Error(stderr);
    return context.skip(`needs express from the npm registry:\n${stderr.slice(-1000)}`);
  }
  type App = RequestListener & Record<"get" | "use", (path: string, answer: RequestListener) => void>;
  const create = createRequire(join(folder.path, "x.js"))("express") as () => App;
  const app = create();
  app.use("/admin", (_request, response) => void response.end(SECRET));
  app.use("/", (_request, response) => void response.end("open"));
  const { url } = stack.use(await httpOrigin(app));
  return owned(stack, url);
}

async function nginx(context: TestContext): Promise<Server> {
  await needs(context, "nginx-light");
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempDir());
  const address = `${loopback()}:8080`;
  const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((kind) => `${kind}_temp_path ${folder.path};`);
  await writeFile(
    join(folder.path, "nginx.conf"),
    `daemon off; pid ${folder.path}/pid; error_log stderr notice; events {}
     http { access_log off; ${paths.join(" ")} server { listen ${address};
       location ~ ^/admin(/|$) { return 200 "${SECRET}"; } location / { return 200 open; } } }`,
  );
  const words = ["-c", join(folder.path, "nginx.conf"), "-p", folder.path, "-e", "stderr"];
  await stack.use(run("nginx", words)).until(/start worker process/);
  return owned(stack, `http://${address}`);
}

async function apache(context: TestContext): Promise<Server> {
  await needs(context, "apache2-bin");
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempDir());
  const address = `${loopback()}:8080`;
  await mkdir(join(folder.path, "www"));
  await writeFile(join(folder.path, "www/index.html"), "open");
  await writeFile(join(folder.path, "www/admin"), SECRET);
  const modules = ["mpm_event", "authz_core", "dir"].map((name) => `LoadModule ${name}_module mod_${name}.so`);
  await writeFile(
    join(folder.path, "httpd.conf"),
    `ServerRoot /usr/lib/apache2/modules
${modules.join("\n")}
PidFile ${folder.path}/pid
Listen ${address}
ServerName ${HOST}
ErrorLog "|$cat >&2"
DocumentRoot ${folder.path}/www
DirectoryIndex index.html
AllowEncodedSlashes On
`,
  );
  await stack.use(run("apache2", ["-f", join(folder.path, "httpd.conf"), "-DFOREGROUND"])).until(/resuming normal/);
  return owned(stack, `http://${address}`);
}

/** A server of one's own that undoes whatever it knows of, again and again: some are nearly like that. */
async function obliging(): Promise<Server> {
  const { url, [Symbol.asyncDispose]: dispose } = await httpOrigin((request, response) => {
    let path = request.url ?? "/";
    for (let before = ""; before !== path;) {
      before = path;
      const bytes = Buffer.from(
        path.replace(/%([0-9a-f]{2})/gi, (_all, hex: string) => unescape(`%${hex}`)),
        "latin1",
      );
      path =
        bytes
          .toString("utf8")
          .normalize("NFKC")
          .replaceAll("\\", "/")
          .split(/[\0?#]/)[0] ?? "";
    }
    const segments = posix.normalize(path.replace(/;[^/]*/g, "")).split("/");
    const [, first = ""] = segments.map((segment) =>
      segment
        .trim()
        .replace(/[. ]+$/, "")
        .toLowerCase(),
    );
    response.end(first === "admin" ? SECRET : "open");
  });
  return { url, [Symbol.asyncDispose]: dispose };
}

const SERVERS = { Express: express, nginx, Apache: apache, "a server that undoes everything": obliging };

for (const [name, start] of Object.entries(SERVERS)) {
  test(`${name}: a prefix that needs a token is closed, however it is spelled`, async (context) => {
    await using server = await start(context);
    await using site = await testSite();
    await site.map(`http://${HOST}`, server.url);
    await site.map(`http://${HOST}/admin`, server.url, "--access", "token");
    expect((await askHttp(site.edge.url, HOST, { path: "/open" })).status).toBeLessThan(405);
    const fooled: string[] = [];
    for (const [path] of DISGUISES) {
      if ((await askHttp(server.url, HOST, { path })).body.toString() === SECRET) fooled.push(path);
      const { status, body } = await askHttp(site.edge.url, HOST, { path });
      expect({ path, status, isOut: body.toString().includes(SECRET) }).toEqual({ path, status: 400, isOut: false });
    }
    // Without the edge some of them do lead there: this test would notice.
    expect(fooled.length).toBeGreaterThan(1);
  });
}

function owned(stack: AsyncDisposableStack, url: string): Server {
  const moved = stack.move();
  return { url, [Symbol.asyncDispose]: () => moved.disposeAsync() };
}
