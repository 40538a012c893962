import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { decodeJwt } from "jose";
import { expect, test } from "vitest";
import type { AuditView, GrantView, MappingView, StatusView, TokenView } from "../../shared/rule/api.ts";
import { TestEdge, testEdge } from "../support/edge.ts";
import { echoServer, exchange, testAgent } from "../support/lan.ts";
import { tempDir } from "../support/temp-dir.ts";

test("what one edge exports another one imports: rules, tokens and history; agents come back by themselves", async () => {
  await using folder = await tempDir();
  const file = join(folder.path, "edge.json");
  await using edge = await testEdge({ tcp: "8080" });
  await using echo = await echoServer();
  await using agent = await testAgent(edge);
  await edge.ok("map", "add", "8080/tcp", "lab", echo.address, "--owner", "ann", "--expires", "30d");
  await edge.ok("map", "add", "lab/gone", "lab", echo.address);
  await edge.ok("map", "rm", "lab/gone");
  await edge.ok("map", "add", "lab/ssh", "lab", echo.address, "--access", "token");
  const revoked = join(folder.path, "revoked");
  await writeFile(revoked, await edge.ok("token", "visitor", "--endpoint", "lab/ssh"), { mode: 0o600 });
  const visitor = (await edge.json<TokenView[]>("token", "ls")).find(({ kind }) => kind === "visitor");
  await edge.ok("token", "revoke", visitor?.jti ?? "");
  await edge.ok("grant", "8080/tcp", "--for", "2h", "--to", "Ben's phone");
  expect(await exchange(edge.host, 8080, "before")).toBe("before");
  // Its use is written down a moment later.
  while ((await edge.json<MappingView>("map", "show", "8080/tcp")).lastUsed === null) continue;
  const before = await state(edge);
  const text = await edge.ok("export");
  await writeFile(file, text);
  // Nothing in it opens anything.
  expect(text).not.toMatch(/"d\\*":/);
  expect(text).not.toContain((await readFile(edge.secretFile, "utf8")).trim());
  expect(text).not.toContain((await readFile(agent.tokenFile, "utf8")).trim().split(".")[2]);
  await edge.stop();

  // Another edge at the same name: another storage, other keys, another secret.
  const stack = new AsyncDisposableStack();
  await using other = stack.use(new TestEdge(edge.host, folder.path, { tcp: "8080" }, new AsyncDisposableStack()));
  await other.start();
  await other.login();
  await other.ok("import", file);
  expect(await state(other)).toEqual(before);
  for (;;) {
    const { sites } = await other.json<StatusView>("status");
    if (sites[0]?.state === "online") break;
  }
  expect(await exchange(other.host, 8080, "after")).toBe("after");
  expect(await other.cli(["connect", "lab/ssh", "--token-file", revoked])).toMatchObject({ code: 4 });
  // Ids are never used again, and what is issued now is signed with a key of its own.
  await other.ok("map", "add", "lab/new", "lab", echo.address);
  expect((await other.json<MappingView>("map", "show", "lab/new")).id).toBe(4);
  expect((await other.json<{ kid: string }[]>("token", "keys", "ls")).length).toBe(2);

  expect(await other.cli(["import", file])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("registry-not-empty"),
  });
});

test("a damaged export is refused, and nothing of it is kept", async () => {
  await using edge = await testEdge();
  await using folder = await tempDir();
  const file = join(folder.path, "edge.json");
  const archive = JSON.parse(await edge.ok("export")) as { tables: Record<string, unknown[]> };
  const attempt = async (text: string) => {
    await writeFile(file, text);
    return edge.cli(["import", file]);
  };
  expect(await attempt("{")).toMatchObject({ code: 3, stderr: expect.stringContaining("import-unreadable") });
  expect(await attempt("{}")).toMatchObject({ code: 2, stderr: expect.stringContaining("sallyport: ") });
  const site = { name: "lab", generation: 1, revision: 1, created: 1, removed: null };
  const stamps = { revision: 1, created: 1, created_by: "x", changed: 1, changed_by: "x" };
  const rule = JSON.stringify({ endpoint: "8080/tcp", site: "lab", target: "10.0.0.5:?" });
  archive.tables["sites"] = [site];
  archive.tables["mappings"] = [{ id: 7, rule, ...stamps }];
  expect(await attempt(JSON.stringify(archive))).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(
      /^error\[bad-target\]: tables\.mappings\.0\.rule: mapping 7: target.*\n {2}fix: Write HOST/,
    ),
  });
  const link = "1".repeat(64);
  const grant = { id: "g", link, recipient: "", created: 1, until: 9e12, created_by: "x", ipv4: null, ipv6: null };
  archive.tables["mappings"] = [];
  archive.tables["grants"] = [{ ...grant, mappings: "5" }];
  expect(await attempt(JSON.stringify(archive))).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("tables.grants.0.mappings: "),
  });
  expect(await edge.json("site", "ls")).toEqual([]);
  expect(await edge.json("status")).toMatchObject({ sites: [] });
  // What was wrong is mended, and all of it is taken.
  archive.tables["grants"] = [{ ...grant, mappings: "[5]" }];
  await edge.ok("import", await written(file, archive));
  expect(await edge.json("grant", "ls")).toMatchObject([{ id: "g", endpoints: [] }]);
});

test("who has exported what an edge keeps is written down", async () => {
  await using edge = await testEdge();
  await edge.ok("site", "add", "lab");
  const reader = await edge.ok("token", "admin", "--read-only");
  const { sub } = decodeJwt(reader);
  const env = { SALLYPORT_EDGE: edge.url, SALLYPORT_ADMIN_TOKEN: reader };
  for (const _ of [1, 2]) expect(await edge.cli(["export"], { env })).toMatchObject({ code: 0 });
  const entries = await edge.json<AuditView[]>("audit", "--action", "export");
  expect(entries).toMatchObject([
    { actor: sub, from: expect.stringMatching(/^127\./), subject: "registry", count: 2, last: expect.any(String) },
  ]);
  // The second has the first in it.
  const archive = JSON.parse(await edge.ok("export")) as { tables: { audit: { action: string; count: number }[] } };
  expect(archive.tables.audit.filter(({ action }) => action === "export")).toMatchObject([{ count: 2 }]);
});

async function written(file: string, archive: object): Promise<string> {
  await writeFile(file, JSON.stringify(archive));
  return file;
}

/** What an edge knows, as its administrator sees it. */
async function state(edge: TestEdge): Promise<unknown> {
  const mappings = await edge.json<MappingView[]>("map", "ls");
  const tokens = await edge.json<TokenView[]>("token", "ls");
  const grants = await edge.json<GrantView[]>("grant", "ls");
  const audit = await edge.json<{ action: string; subject: string; actor: string }[]>("audit");
  // The logins that looked are not part of it.
  const lasting = tokens.filter(({ kind }) => kind !== "admin");
  const changes = audit.filter(({ action }) => /^(?:map|grant|site)/.test(action));
  return { mappings, lasting, grants, changes: changes.map(({ action, subject, actor }) => [action, subject, actor]) };
}
