import { mkdir, open, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { decodeJwt } from "jose";
import { expect, test } from "vitest";
import type { TokenView } from "../../shared/rule/api.ts";
import { testEdge } from "../support/edge.ts";
import { tempDir } from "../support/temp-dir.ts";

test.each([
  ["agent", ["lab", "--local"]],
  ["visitor", ["--endpoint", "lab/*"]],
  ["gateway", []],
  ["admin", ["--read-only"]],
])("token %s --out makes a file that only its owner can read, and prints no token", async (kind, words) => {
  await using edge = await testEdge();
  await using folder = await tempDir();
  await edge.ok("site", "add", "lab");
  const file = join(folder.path, "its.token");
  const { code, stdout, stderr } = await edge.cli(["token", kind, ...words, "--out", file]);
  expect({ code, stdout }).toEqual({ code: 0, stdout: "" });
  expect(stderr).toContain(`it is in ${file}`);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  const text = await readFile(file, "utf8");
  expect(decodeJwt(text.trim()).aud).toBe(`sallyport:${kind}`);
  expect(stderr).not.toContain(text.trim());
  expect(await readdir(folder.path)).toEqual(["its.token"]);
});

test("a file that is there is left as it is, and nothing is issued; with --force it is replaced whole", async () => {
  await using edge = await testEdge();
  await using folder = await tempDir();
  await edge.ok("site", "add", "lab");
  const file = join(folder.path, "its.token");
  const ask = (...more: string[]) => edge.cli(["token", "agent", "lab", "--local", "--out", ...more]);
  const issued = async (): Promise<number> => {
    const tokens = await edge.json<TokenView[]>("token", "ls");
    return tokens.filter((each) => each.kind === "agent" && !each.revoked).length;
  };
  await writeFile(file, "somebody else's\n", { mode: 0o644 });
  await symlink(join(folder.path, "nowhere"), join(folder.path, "link"));
  await mkdir(join(folder.path, "folder"));
  for (const [path, words] of [
    [file, []],
    [join(folder.path, "link"), ["--force"]],
    [join(folder.path, "folder"), ["--force"]],
  ] as const)
    expect(await ask(path, ...words)).toMatchObject({ code: 3, stderr: expect.stringContaining("error[file-exists]") });
  expect(await ask(join(folder.path, "missing/its.token"))).toMatchObject({
    code: 3,
    stderr: expect.stringContaining("error[file-unwritable]"),
  });
  expect(await readFile(file, "utf8")).toBe("somebody else's\n");
  expect(await issued()).toBe(0);

  expect(await ask(file, "--force")).toMatchObject({ code: 0 });
  expect(decodeJwt((await readFile(file, "utf8")).trim()).aud).toBe("sallyport:agent");
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect(await issued()).toBe(1);
  expect((await readdir(folder.path)).toSorted()).toEqual(["folder", "its.token", "link"]);
  // What the edge refuses leaves no file behind either.
  expect(await edge.cli(["token", "agent", "nosuch", "--local", "--out", join(folder.path, "other")])).toMatchObject({
    code: 1,
  });
  expect((await readdir(folder.path)).toSorted()).toEqual(["folder", "its.token", "link"]);
});

test("a token that goes to a file which others can read is warned of, and to a pipe or a file of one's own it is not", async () => {
  await using edge = await testEdge();
  await using folder = await tempDir();
  const warned = async (mode: number | null): Promise<boolean> => {
    await using file = mode === null ? null : await open(join(folder.path, `mode-${mode}`), "w", mode);
    const { code, stderr } = await edge.cli(["token", "gateway"], file === null ? {} : { stdout: file.fd });
    expect(code).toBe(0);
    return stderr.includes("warning: other users of this machine can read the file");
  };
  expect(await warned(0o644)).toBe(true);
  expect(await warned(0o640)).toBe(true);
  expect(await warned(0o600)).toBe(false);
  expect(await warned(null)).toBe(false);
});
