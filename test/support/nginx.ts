import { createWriteStream } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { noise } from "./bytes.ts";
import { loopback } from "./net.ts";
import { run } from "./run.ts";
import { tempDir } from "./temp-dir.ts";

export interface Nginx extends AsyncDisposable {
  /** host:port it listens on. */
  readonly address: string;
}

/** Debian's nginx, serving files of noise: name → bytes. */
export async function nginx(files: Readonly<Record<string, number>>): Promise<Nginx> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempDir());
  for (const [name, bytes] of Object.entries(files)) {
    await pipeline(noise(bytes), createWriteStream(join(folder.path, name)));
  }
  const address = `${loopback()}:8080`;
  const config = join(folder.path, "nginx.conf");
  await writeFile(config, configuration(folder.path, address));
  // Its standard errors, and not the log of the system's own nginx.
  const server = stack.use(run("nginx", ["-c", config, "-p", folder.path, "-e", "stderr"]));
  await server.until(/start worker process/);
  const owned = stack.move();
  return { address, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

function configuration(folder: string, address: string): string {
  return `
daemon off;
${process.getuid?.() === 0 ? "user root;" : ""}
pid ${folder}/nginx.pid;
error_log stderr notice;
events { worker_connections 256; }
http {
  access_log off;
  sendfile on;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  server { listen ${address}; root ${folder}; }
}
`;
}
