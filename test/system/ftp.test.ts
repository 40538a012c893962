import { chmod, chown, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { expect, test } from "vitest";
import { sha256 } from "../support/bytes.ts";
import { needs } from "../support/debian.ts";
import { loopback } from "../support/net.ts";
import { execute, run } from "../support/run.ts";
import { listeningAt, testSite } from "../support/site.ts";
import { tempDir } from "../support/temp-dir.ts";

test("a tree goes up and comes down again by FTP, through a passive range", async (context) => {
  await needs(context, "vsftpd", "lftp");
  await using folder = await tempDir();
  const [target, host] = [loopback(), loopback()];
  const root = join(folder.path, "root");
  await mkdir(join(root, "up"), { recursive: true });
  await mkdir("/run/vsftpd/empty", { recursive: true });
  const { stdout: id } = await execute("id", ["-u", "ftp"]);
  await chown(join(root, "up"), Number(id), -1);
  for (const each of [folder.path, root]) await chmod(each, 0o755);
  const config = join(folder.path, "vsftpd.conf");
  await writeFile(config, configuration(target, host, root));
  await using _server = run("/usr/sbin/vsftpd", [config]);

  await using site = await testSite();
  const token = await site.token("gateway");
  await site.map("2121/tcp", `${target}:2121`);
  await site.map("40000-40019/tcp", `${target}:40000-40019`);
  const gateway = await site.gateway(token, "--bind", host);
  await listeningAt(gateway, "40019/tcp");

  const tree = join(folder.path, "tree");
  await mkdir(join(tree, "below"), { recursive: true });
  for (let index = 0; index < 30; index += 1) {
    await writeFile(join(tree, index % 2 === 0 ? "below" : "", `file-${index}`), randomBytes(index * 40_000));
  }
  const script = [
    "set ftp:passive-mode yes; set net:max-retries 2; set cmd:fail-exit yes",
    `open -p 2121 ${host}`,
    `mirror -R --parallel=4 ${tree} up/tree`,
    `mirror --parallel=4 up/tree ${join(folder.path, "back")}`,
  ].join("; ");
  const ended = await execute("lftp", ["-c", script]);
  expect(ended).toMatchObject({ code: 0, stderr: "" });
  const sums = async (path: string): Promise<string[]> => {
    const names = (await readdir(path, { recursive: true })).filter((name) => name.includes("file-")).sort();
    return Promise.all(names.map(async (name) => `${name} ${sha256(await readFile(join(path, name)))}`));
  };
  expect(await sums(join(folder.path, "back"))).toEqual(await sums(tree));
});

function configuration(target: string, host: string, root: string): string {
  return `
listen=YES
listen_address=${target}
listen_port=2121
background=NO
anonymous_enable=YES
local_enable=NO
write_enable=YES
anon_upload_enable=YES
anon_mkdir_write_enable=YES
anon_other_write_enable=YES
anon_world_readable_only=NO
anon_umask=022
anon_root=${root}
pasv_enable=YES
pasv_address=${host}
pasv_min_port=40000
pasv_max_port=40019
secure_chroot_dir=/run/vsftpd/empty
seccomp_sandbox=NO
`;
}
