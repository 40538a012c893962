import { mkdir, writeFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { join } from "node:path";
import { loopback } from "./net.ts";
import { execute, run } from "./run.ts";
import { tempDir } from "./temp-dir.ts";

export interface Sshd extends AsyncDisposable {
  /** host:port it listens on. */
  readonly address: string;
  /** Arguments for `ssh` to reach it by `host` and `port`, wherever they lead. It must be this very server. */
  readonly client: (host: string, port: number) => string[];
  /** Arguments for `scp` to copy a file of this machine to another place on it, through the server. */
  readonly copy: (host: string, port: number, from: string, to: string) => string[];
}

/** Debian's OpenSSH server, with keys of its own, for the user that runs the tests. */
export async function sshd(): Promise<Sshd> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempDir());
  const file = (name: string): string => join(folder.path, name);
  const host = loopback();
  for (const key of ["host", "user"]) await execute("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", file(key)]);
  const publicKey = await execute("cat", [file("host.pub")]);
  // By alias, because visitors know the server by the edge's address.
  await writeFile(file("known_hosts"), `behind-the-edge ${publicKey.stdout}`);
  await writeFile(file("config"), configuration(host, file));
  // Where it separates privileges; Debian's service makes it.
  if (process.getuid?.() === 0) await mkdir("/run/sshd", { recursive: true });
  const server = stack.use(run("/usr/sbin/sshd", ["-D", "-e", "-f", file("config")]));
  await server.until(/Server listening on/);
  const owned = stack.move();
  const options = (port: number): string[] => [
    ...["-F", "none", "-i", file("user"), "-o", `Port=${port}`, "-o", "BatchMode=yes", "-o", "LogLevel=ERROR"],
    ...["-o", "HostKeyAlias=behind-the-edge", "-o", `UserKnownHostsFile=${file("known_hosts")}`],
  ];
  const user = userInfo().username;
  return {
    address: `${host}:2222`,
    client: (edge, port) => [...options(port), `${user}@${edge}`],
    copy: (edge, port, from, to) => [...options(port), from, `${user}@${edge}:${to}`],
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function configuration(host: string, file: (name: string) => string): string {
  return `
ListenAddress ${host}
Port 2222
HostKey ${file("host")}
AuthorizedKeysFile ${file("user.pub")}
PidFile none
PasswordAuthentication no
PermitRootLogin yes
StrictModes no
UsePAM no
Subsystem sftp internal-sftp
`;
}
