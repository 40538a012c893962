import { join } from "node:path";
import { writeFile } from "node:fs/promises";
import { loopback } from "../../test/support/net.ts";
import { run } from "../../test/support/run.ts";
import { tempDir } from "../../test/support/temp-dir.ts";
import { ROOT } from "../../scripts/tool.ts";
import type { Targets } from "./peer.ts";

/** Bytes of the page that HTTP measurements ask for. */
const PAGE_BYTES = 1024;

/** The private servers: echo, source, sink, and an nginx with a page of 1 KB. iperf3's starts with each run. */
export async function startTargets(stack: AsyncDisposableStack): Promise<Targets> {
  const host = loopback();
  const servers = stack.use(run(process.execPath, [join(ROOT, "bench/load/servers.ts"), host, "7001", "7002", "7003"]));
  await servers.until(/ready/);
  const folder = stack.use(await tempDir());
  await writeFile(join(folder.path, "page"), "x".repeat(PAGE_BYTES));
  await writeFile(
    join(folder.path, "nginx.conf"),
    nginxConf(folder.path, `listen ${host}:7004 backlog=4096; root ${folder.path};`),
  );
  const nginx = stack.use(run("nginx", ["-c", join(folder.path, "nginx.conf"), "-p", folder.path, "-e", "stderr"]));
  await nginx.until(/start worker process/);
  return {
    bulk: `${host}:7000`,
    echo: `${host}:7001`,
    source: `${host}:7002`,
    sink: `${host}:7003`,
    http: `${host}:7004`,
  };
}

/** An nginx of one's own around one server, without logs and with long-lived connections. */
export function nginxConf(folder: string, server: string, http = ""): string {
  const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  );
  return `daemon off; worker_processes 1; pid ${folder}/nginx.pid; error_log stderr notice;
${process.getuid?.() === 0 ? "user root;" : ""}
events { worker_connections 20000; }
http { access_log off; keepalive_requests 100000000; ${paths.join(" ")} ${http} server { ${server} } }
`;
}
