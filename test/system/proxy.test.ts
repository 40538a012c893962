import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { AGENT, SYSTEM_NODE } from "../../scripts/tool.ts";
import type { StatusView } from "../../shared/rule/api.ts";
import { needs } from "../support/debian.ts";
import { TestEdge } from "../support/edge.ts";
import { echoServer, exchange } from "../support/lan.ts";
import { loopback } from "../support/net.ts";
import { requestFrom } from "../support/request.ts";
import { run } from "../support/run.ts";
import { tempDir } from "../support/temp-dir.ts";
import { ANYWHERE } from "../support/targets.ts";

test("behind nginx everything works, and the edge knows who came to the proxy", async (context) => {
  await needs(context, "nginx-light");
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempDir());
  const [front, back, own] = [loopback(), loopback(), loopback()];
  const config = join(folder.path, "nginx.conf");
  await writeFile(config, configuration({ folder: folder.path, front, back, own }));
  const nginx = stack.use(run("nginx", ["-c", config, "-p", folder.path, "-e", "stderr"]));
  await nginx.until(/start worker process/);
  await works(folder.path, { url: `http://${front}:8000`, back, own });
});

test("behind Caddy everything works with one line of its configuration", async (context) => {
  await needs(context, "caddy");
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempDir());
  const [front, back] = [loopback(), loopback()];
  const config = join(folder.path, "Caddyfile");
  // With a name in the place of the address, Caddy has a certificate for it. Unbound, it would want the port on all addresses.
  await writeFile(
    config,
    `{\n\tadmin off\n}\nhttp://${front}:8000 {\n\tbind ${front}\n\treverse_proxy ${back}:8787\n}\n`,
  );
  const env = { XDG_DATA_HOME: folder.path, XDG_CONFIG_HOME: folder.path, HOME: folder.path };
  const caddy = stack.use(run("caddy", ["run", "--config", config, "--adapter", "caddyfile"], { env }));
  await caddy.until(/serving initial configuration/);
  // Caddy dials from the machine's own loopback address.
  await works(folder.path, { url: `http://${front}:8000`, back, own: "127.0.0.1" });
});

/** All of it through a proxy at `url` that comes to the edge at `back` from the address `own`. */
async function works(folder: string, { url, back, own }: { url: string; back: string; own: string }): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const edge = stack.use(new TestEdge(back, folder, { tcp: "8080" }, new AsyncDisposableStack()));
  await edge.start("--trusted-proxy", `${own}/32`, "--public-url", url);
  await edge.ok("login", url, "--secret-file", edge.secretFile);
  await edge.ok("site", "add", "lab");
  const tokenFile = join(folder, "token");
  await writeFile(tokenFile, await edge.ok("token", "agent", "lab", "--local", ...ANYWHERE), { mode: 0o600 });

  const agent = stack.use(run(SYSTEM_NODE, [AGENT, "--token-file", tokenFile, "--log", "json"]));
  await agent.until(/"msg":"ready"/);
  const echo = stack.use(await echoServer());
  await edge.ok("map", "add", "8080/tcp", "lab", echo.address);
  expect(await exchange(back, 8080, "hello")).toBe("hello");
  const status = await edge.json<StatusView>("status");
  expect(status.url).toBe(url);
  expect(status.sites[0]?.agents[0]?.address).toBe("127.0.0.1");

  // What a stranger claims about itself does not reach the edge: a proxy says whom it sees.
  const from = loopback();
  const claimed = { "x-forwarded-for": "203.0.113.7", connection: "close" };
  const visitor = await edge.ok("token", "visitor", "--endpoint", "8080/tcp", "--from", `${from}/32`);
  const listed = await requestFrom(from, "GET", `${url}/.sallyport/connect`, {
    ...claimed,
    authorization: `Bearer ${visitor}`,
  });
  expect(listed.status).toBe(200);
  const other = await requestFrom(loopback(), "GET", `${url}/.sallyport/connect`, {
    authorization: `Bearer ${visitor}`,
    "x-forwarded-for": from,
  });
  expect(other.status).toBe(403);
}

/** As docs/operations.md shows it; `own` is the address that nginx comes to the edge from. */
function configuration({
  folder,
  front,
  back,
  own,
}: {
  folder: string;
  front: string;
  back: string;
  own: string;
}): string {
  return `
daemon off;
${process.getuid?.() === 0 ? "user root;" : ""}
pid ${folder}/nginx.pid;
error_log stderr notice;
events {}
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
  server {
    listen ${front}:8000;
    location / {
      proxy_pass http://${back}:8787;
      proxy_bind ${own};
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_buffering off;
      proxy_request_buffering off;
      proxy_read_timeout 1h;
      client_max_body_size 0;
    }
  }
}
`;
}
