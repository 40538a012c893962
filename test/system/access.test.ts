import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { GrantView, TokenView } from "../../shared/rule/api.ts";
import { needs } from "../support/debian.ts";
import { loopback } from "../support/net.ts";
import { tcpServer } from "../support/peers.ts";
import { execute, run } from "../support/run.ts";
import { testSite } from "../support/site.ts";
import { sshd } from "../support/sshd.ts";

test("scp fails at once when the token of the agent it goes through is revoked", async (context) => {
  await needs(context, "openssh-server", "openssh-client");
  await using server = await sshd();
  await using site = await testSite({ tcp: "2022" });
  await site.map("2022/tcp", server.address);
  const folder = await mkdtemp(join(tmpdir(), "scp-"));
  await using _folder = { [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) };
  const [from, to] = [join(folder, "from"), join(folder, "to")];
  await writeFile(from, Buffer.alloc(64 * 1024 * 1024, 7));
  const options = server.client(site.edge.host, 2022);
  const peer = options.pop() ?? "";
  // At 20 Mbit/s it would take half a minute.
  await using copy = run("scp", [
    "-l",
    "20000",
    ...options.map((each) => (each === "-p" ? "-P" : each)),
    from,
    `${peer}:${to}`,
  ]);
  while ((await stat(to).catch(() => ({ size: 0 }))).size === 0);
  const tokens = await site.edge.json<TokenView[]>("token", "ls");
  await site.edge.ok("token", "revoke", tokens.find(({ kind }) => kind === "agent")?.jti ?? "");
  expect((await copy.ended).code).not.toBe(0);
  expect((await stat(to)).size).toBeLessThan(64 * 1024 * 1024);
});

test("a grant is used with curl, and lets in netcat from that address alone", async (context) => {
  await needs(context, "curl", "netcat-openbsd");
  await using site = await testSite({ tcp: "8080" });
  await using echo = await tcpServer(loopback());
  await site.map("8080/tcp", `${echo.host}:${echo.port}`, "--access", "token");
  const [guest, stranger] = [loopback(), loopback()];
  const netcat = (from: string) =>
    execute("nc", ["-N", "-w", "10", "-s", from, site.edge.host, "8080"], { input: "hello\n" });
  expect((await netcat(guest)).stdout).toBe("");
  const link = await site.edge.ok("grant", "8080/tcp", "--for", "1h", "--to", "the phone");
  const curl = (...words: readonly string[]) =>
    execute("curl", ["-sS", "--fail", "--interface", guest, ...words, link]);
  expect((await curl()).stdout).toMatch(/POST/);
  expect((await netcat(guest)).stdout).toBe("");
  expect((await curl("-X", "POST")).stdout).toContain(`${site.edge.host}:8080`);
  expect((await netcat(guest)).stdout).toBe("hello\n");
  expect((await netcat(stranger)).stdout).toBe("");
  expect(await site.edge.json<GrantView[]>("grant", "ls")).toMatchObject([{ addresses: [guest], to: "the phone" }]);
});
