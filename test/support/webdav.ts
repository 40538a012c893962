import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { loopback } from "./net.ts";
import { run } from "./run.ts";
import { tempDir } from "./temp-dir.ts";

const MODULES = ["mpm_event", "authz_core", "dav", "dav_fs", "dav_lock"];

/** Debian's Apache as a WebDAV server with locks, on an empty folder. */
export async function webdav(): Promise<{ readonly address: string } & AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempDir());
  const [root, locks] = [join(folder.path, "root"), join(folder.path, "locks")];
  // Its workers are not root.
  for (const each of [root, locks]) {
    await mkdir(each);
    await chmod(each, 0o777);
  }
  await chmod(folder.path, 0o755);
  const address = `${loopback()}:8080`;
  const config = join(folder.path, "apache.conf");
  const lines = [
    ...MODULES.map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`),
    ...[`ServerRoot ${folder.path}`, `DefaultRuntimeDir ${folder.path}`, `PidFile ${folder.path}/pid`],
    ...[`ErrorLog ${folder.path}/log`, "ServerName dav.test", `Listen ${address}`],
    ...(process.getuid?.() === 0 ? ["User www-data", "Group www-data"] : []),
    ...[`DocumentRoot ${root}`, `DavLockDB ${locks}/db`],
    ...[`<Directory ${root}>`, "Dav On", "Require all granted", "</Directory>"],
  ];
  await writeFile(config, `${lines.join("\n")}\n`);
  const server = stack.use(run("/usr/sbin/apache2", ["-X", "-f", config]));
  // Not to the terminal: it opens its log as a file.
  const over = server.ended.then(async () => {
    throw new Error(`apache2 ended: ${server.stderr}${await readFile(join(folder.path, "log"), "utf8")}`);
  });
  while (!(await Promise.race([answers(address), over])));
  over.catch(() => undefined);
  const owned = stack.move();
  return { address, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function answers(address: string): Promise<boolean> {
  return await fetch(`http://${address}/`).then(
    () => true,
    () => false,
  );
}
