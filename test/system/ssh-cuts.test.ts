import { readFile } from "node:fs/promises";
import { decodeJwt } from "jose";
import { expect, test } from "vitest";
import type { MadeGrantView, TokenList } from "../../shared/rule/api.ts";
import { needs } from "../support/debian.ts";
import { requestFrom } from "../support/request.ts";
import { run, type Run } from "../support/run.ts";
import { listeningAt, testSite } from "../support/site.ts";
import { sshd } from "../support/sshd.ts";

test("a running SSH session is cut by whatever ends what let it in", async (context) => {
  await needs(context, "openssh-server", "openssh-client");
  await using site = await testSite({ tcp: "2201-2205" });
  await using server = await sshd();
  await using sessions = new AsyncDisposableStack();
  const { edge } = site;
  const session = async (host: string, port: number): Promise<Run> => {
    const ssh = sessions.use(
      run("ssh", [...server.client(host, port), "echo inside; exec cat"], { interactive: true }),
    );
    await ssh.until(/inside/);
    return ssh;
  };
  const map = (endpoint: string, rule: object = {}): Promise<unknown> =>
    edge.ask("POST", "/mappings", { endpoint, site: "lab", target: server.address, ...rule });
  const path = (endpoint: string): string => `/mappings/${encodeURIComponent(endpoint)}`;

  for (const endpoint of ["2201/tcp", "2202/tcp", "2205/tcp", "lab/ssh"]) await map(endpoint);
  await map("2203/tcp", { access: "token" });
  await map("2204/tcp", { access: "token" });
  const [byRemoval, byExpiry, byAgent] = [
    await session(edge.host, 2201),
    await session(edge.host, 2202),
    await session(edge.host, 2205),
  ];
  const granted = async (port: number, life: number) => {
    const grant = await edge.ask<MadeGrantView>("POST", "/grants", { endpoints: [`${port}/tcp`], life });
    // The address that ssh comes from, towards one of loopback.
    await requestFrom("127.0.0.1", "POST", grant.link);
    return { grant, ssh: await session(edge.host, port) };
  };
  const taken = await granted(2203, 3600);
  const ended = await granted(2204, 10);
  const file = await site.token("visitor", "--endpoint", "lab/ssh");
  const client = await site.connect(file, "lab/ssh");
  const { host, port } = await listeningAt(client, "lab/ssh");
  const byToken = await session(host, port);

  await edge.ask("DELETE", path("2201/tcp"));
  await edge.ask("PATCH", path("2202/tcp"), { expires: new Date(Date.now() + 1_000).toISOString() });
  await edge.ask("DELETE", `/grants/${taken.grant.id}`);
  await edge.ask("DELETE", `/tokens/${String(decodeJwt(await readFile(file, "utf8")).jti)}`);
  for (const ssh of [byRemoval, byExpiry, taken.ssh, ended.ssh, byToken])
    expect(await ssh.ended).toMatchObject({ code: 255 });
  const { tokens } = await edge.ask<TokenList>("GET", "/tokens");
  await edge.ask("DELETE", `/tokens/${tokens.find(({ kind }) => kind === "agent")?.jti ?? ""}`);
  expect(await byAgent.ended).toMatchObject({ code: 255 });
});
