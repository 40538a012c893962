import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { GrantView, TokenView } from "../../shared/rule/api.ts";
import { TestEdge, testEdge } from "../support/edge.ts";
import { testAgent } from "../support/lan.ts";
import type { Ended } from "../support/run.ts";
import { tempDir } from "../support/temp-dir.ts";

// A backup knows what was good when it was made. What was revoked since must not come back to life without a word.

test("what the folder that was backed up has revoked since stays revoked, and what was issued since is named", async () => {
  await using scene = await backedUp();
  const { edge, kept, jti } = scene;
  const issued = await edge.ok("token", "visitor", "--endpoint", "lab/*");
  const later = (await tokens(edge)).find((each) => each.kind === "visitor" && !Object.values(jti).includes(each.jti));
  const restored = await scene.restore(kept);
  expect(restored).toMatchObject({ code: 0 });
  expect(restored.stderr).toContain(`revoked, as in ${edge.data}: 1 token, 0 signing keys, 1 grant`);
  expect(restored.stderr).toMatch(
    new RegExp(`warning: the edge refuses these tokens, because they were issued later[^]*${later?.jti}`),
  );
  expect(restored.stderr).not.toContain("valid again");

  await using again = await scene.startAgain();
  expect(await stateOf(again, jti.revoked)).toBe(true);
  expect(await stateOf(again, jti.good)).toBe(false);
  expect((await again.json<GrantView[]>("grant", "ls")).map(({ id }) => id)).toEqual([scene.grants.kept]);
  expect((await again.cli(["connect", "lab/ssh=0"], { env: { SALLYPORT_TOKEN: issued } })).code).toBe(4);
  // The login of the look has left nothing good behind.
  const admins = (await tokens(again)).filter(({ kind, revoked }) => kind === "admin" && !revoked);
  expect(admins).toHaveLength(2);
});

test("where nothing is known of later, the tokens that are good again are shown; the former folder may be named", async () => {
  await using scene = await backedUp();
  const { edge, kept, jti } = scene;
  await edge.stop();
  const aside = `${edge.data}-aside`;
  await rename(edge.data, aside);
  const plain = await scene.restore(kept, [], "plain");
  expect(plain.code).toBe(0);
  expect(plain.stderr).toMatch(/warning: tokens that were revoked after 20.* are valid again/);
  expect(plain.stderr).toMatch(new RegExp(`\\n${jti.revoked} +visitor .*\\n`));
  expect(plain.stderr).toContain("--former");

  await writeFile(join(aside, "admin-secret"), "another secret, made since\n");
  const carried = await scene.restore(kept, ["--former", aside], "carried");
  expect(carried.code).toBe(0);
  expect(carried.stderr).toContain(`revoked, as in ${aside}: 1 token, 0 signing keys, 1 grant`);
  expect(carried.stderr).toContain(`the admin secret is the one of ${aside}`);
  expect(await readFile(join(scene.folder, "carried/admin-secret"), "utf8")).toBe("another secret, made since\n");

  // A later backup does as well.
  expect((await edge.cli(["backup", join(scene.folder, "later"), "--data", aside])).code).toBe(0);
  const again = await scene.restore(kept, ["--former", join(scene.folder, "later")], "again");
  expect(again.stderr).toContain(`later: 1 token, 0 signing keys, 1 grant`);
  expect(await scene.left()).toEqual([]);
});

test("a withdrawn key stays withdrawn", async () => {
  await using scene = await backedUp();
  const { edge } = scene;
  const [first = { kid: "" }] = await edge.json<{ kid: string }[]>("token", "keys", "ls");
  await edge.ok("token", "keys", "rotate");
  await edge.login();
  await edge.ok("token", "keys", "withdraw", first.kid);
  const restored = await scene.restore(scene.kept);
  expect(restored.stderr).toMatch(/revoked, as in .*: \d+ tokens, 1 signing key, 1 grant/);
  await using again = await scene.startAgain();
  expect((await again.json<{ kid: string }[]>("token", "keys", "ls")).map(({ kid }) => kid)).not.toContain(first.kid);
  expect(await stateOf(again, scene.jti.good)).toBe(true);
  expect(await scene.agent.run.ended).toMatchObject({ code: 4 });
});

test("--revoke-agents ends every token, and says what to do next", async () => {
  await using scene = await backedUp();
  const restored = await scene.restore(scene.kept, ["--revoke-agents"]);
  expect(restored.code).toBe(0);
  expect(restored.stderr).toContain("every token is revoked");
  expect(restored.stderr).toContain("sallyport token agent lab --out lab.token");
  await using again = await scene.startAgain();
  const good = (await tokens(again)).filter(({ revoked }) => !revoked);
  // Of the login after that alone.
  expect(good.map(({ kind }) => kind)).toEqual(["admin"]);
  expect(await again.json<unknown[]>("map", "ls")).toHaveLength(2);
  expect(await scene.agent.run.ended).toMatchObject({ code: 4 });
});

test("a former folder that is another edge's, or none, is refused where it was named, and nothing is restored", async () => {
  await using scene = await backedUp();
  await using other = await testEdge();
  for (const [former, code] of [
    [other.data, "former-other"],
    [join(scene.folder, "nowhere"), "no-data"],
  ] as const) {
    const refused = await scene.restore(scene.kept, ["--former", former], code);
    expect(refused).toMatchObject({ code: 3, stderr: expect.stringContaining(`error[${code}]`) });
    expect(existsSync(join(scene.folder, code))).toBe(false);
  }
  expect(await scene.left()).toEqual([]);
});

test("an export that is imported shows the tokens that are good again, takes over what a later one has revoked, and may end all", async () => {
  await using scene = await backedUp();
  const { edge, jti } = scene;
  const later = join(scene.folder, "later.json");
  await writeFile(later, await edge.ok("export"));
  for (const [words, says, good] of [
    [[], /warning: tokens that were revoked after .* are valid again[^]*fix:/, [true, true]],
    [["--former", later], /revoked, as in .*later\.json: 1 token, 0 signing keys, 1 grant/, [true, false]],
    [["--revoke-agents"], /every token is revoked/, [false, false]],
  ] as const) {
    await using other = await testEdge();
    const { code, stderr } = await other.cli(["import", scene.exported, ...words]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringMatching(says) });
    const states = [await stateOf(other, jti.good), await stateOf(other, jti.revoked)];
    expect(states.map((revoked) => !revoked)).toEqual(good);
  }
  await using other = await testEdge();
  const bad = await other.cli(["import", scene.exported, "--former", join(scene.folder, "nowhere")]);
  expect(bad).toMatchObject({ code: 3, stderr: expect.stringContaining("import-unreadable") });
  expect(await other.json("site", "ls")).toEqual([]);
});

/** An edge that was backed up, and has since revoked a token and taken a grant back. */
async function backedUp() {
  const stack = new AsyncDisposableStack();
  const { path: folder } = stack.use(await tempDir());
  const edge = stack.use(await testEdge());
  const agent = stack.use(await testAgent(edge));
  await edge.ok("map", "add", "lab/ssh", "lab", "127.0.0.1:22");
  const issue = async (): Promise<string> => {
    const before = new Set((await tokens(edge)).map(({ jti }) => jti));
    await edge.ok("token", "visitor", "--endpoint", "lab/ssh");
    return (await tokens(edge)).find(({ jti }) => !before.has(jti))?.jti ?? "";
  };
  const jti = { good: await issue(), revoked: await issue() };
  const grants = { kept: "", ended: "" };
  const [kept, scratch] = [join(folder, "backup"), join(folder, "scratch")];
  await mkdir(scratch);
  await edge.ok("map", "add", "http://g.localhost:8787", "lab", "http://127.0.0.1:9");
  await edge.ok("grant", "http://g.localhost:8787", "--for", "2h", "--to", "kept");
  await edge.ok("grant", "http://g.localhost:8787", "--for", "2h", "--to", "ended");
  for (const { id, to } of await edge.json<GrantView[]>("grant", "ls")) Object.assign(grants, { [to]: id });
  await edge.ok("backup", kept, "--data", edge.data);
  const exported = join(folder, "then.json");
  await writeFile(exported, await edge.ok("export"));
  await edge.ok("token", "revoke", jti.revoked);
  await edge.ok("grant", "rm", grants.ended);
  return {
    folder,
    edge,
    agent,
    kept,
    exported,
    jti,
    grants,
    restore: (from: string, words: readonly string[] = [], to = "edge"): Promise<Ended> =>
      edge.cli(["restore", from, "--data", join(folder, to), ...words], { env: { TMPDIR: scratch } }),
    /** What a restore has left where it worked: there were keys and secrets. */
    left: () => readdir(scratch),
    /** The restored edge in the place of the one that was. */
    startAgain: async (): Promise<TestEdge> => {
      await edge.stop().catch(() => undefined);
      const again = new TestEdge(edge.host, folder, {}, new AsyncDisposableStack());
      await again.start();
      await again.login();
      return again;
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

function tokens(edge: TestEdge): Promise<TokenView[]> {
  return edge.json<TokenView[]>("token", "ls");
}

/** Whether a token is revoked. */
async function stateOf(edge: TestEdge, jti: string): Promise<boolean | undefined> {
  return (await tokens(edge)).find((each) => each.jti === jti)?.revoked;
}
