import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { SALLYPORT, SYSTEM_NODE } from "../../scripts/tool.ts";
import type { MappingView, StatusView } from "../../shared/rule/api.ts";
import { accessible, dashboard, logIn } from "../support/dashboard.ts";
import { needs } from "../support/debian.ts";
import { olderEdge } from "../support/older.ts";
import { run } from "../support/run.ts";
import { testSite } from "../support/site.ts";

const BEFORE_TAGS = ["--diff-filter=A", "--", "shared/rule/mapping-fields.ts"];

test("an edge without tags is upgraded in place, goes back while no mapping has any, and commands say what it lacks", async (context) => {
  await using stack = new AsyncDisposableStack();
  const { older, folder, edge } = stack.use(await olderEdge(context, BEFORE_TAGS, "8080-8082"));
  await edge.ok("map", "add", "8080/tcp", "lab", "10.0.0.5:80", "--name", "shop", "--max-streams", "7");

  // This version's commands at the older edge.
  const refusal = {
    code: 2,
    stderr: expect.stringMatching(
      /earlier version, whose mappings have no field tags [^]*update the edge, or leave out --tag /,
    ) as unknown,
  };
  expect(await edge.cli(["map", "add", "8081/tcp", "lab", "10.0.0.5:81", "--tag", "office"])).toMatchObject(refusal);
  expect(await edge.cli(["map", "edit", "8080/tcp", "--tag", "office"])).toMatchObject(refusal);
  const file = join(folder, "rules.toml");
  const exported = await edge.ok("map", "export", "--format", "toml");
  await writeFile(file, `${exported}\ntags = ["office"]\n`);
  const applied = await edge.cli(["map", "apply", file]);
  expect(applied).toMatchObject({ stderr: expect.stringMatching(/rules\.toml:\d+: .*have no field tags/) as unknown });
  expect(await edge.ok("map", "ls", "--tag", "office")).toBe("no matching mappings (of 1)");
  expect(await edge.ok("map", "show", "8080/tcp")).not.toContain("tags");
  for (const format of ["md", "csv", "json"])
    expect(await edge.ok("map", "export", "--format", format)).toContain("shop");
  await edge.ok("map", "edit", "8080/tcp", "--owner", "Ann");
  // In an editor that deletes two lines: what an older edge does not know is not said to it.
  const editor = { EDITOR: "sed -i -e /^maxStreams/d -e /^name/d", SALLYPORT_CONFIG_DIR: join(edge.data, "../config") };
  await using edited = run("script", ["-qec", `${SYSTEM_NODE} ${SALLYPORT} map edit 8080/tcp`, "/dev/null"], {
    env: editor,
  });
  expect(await edited.ended).toMatchObject({
    code: 0,
    stdout: expect.stringContaining("mapping 1 changed") as unknown,
  });
  expect(await edge.json<MappingView>("map", "show", "8080/tcp")).toMatchObject({
    maxStreams: null,
    name: "",
    owner: "Ann",
  });
  await edge.ok("map", "edit", "8080/tcp", "--max-streams", "7", "--name", "shop");

  const become = async (program: string): Promise<void> => {
    await edge.stop();
    edge.program = program;
    await edge.start();
  };
  const listed = (): Promise<MappingView[]> => edge.json<MappingView[]>("map", "ls");
  await become(SALLYPORT);
  expect(await listed()).toMatchObject([{ id: 1, owner: "Ann", maxStreams: 7, tags: [] }]);
  await writeFile(file, exported);
  await edge.ok("map", "apply", file);
  await edge.ok("map", "edit", "8080/tcp", "--tag", "office", "--tag", "camera");
  expect(await listed()).toMatchObject([{ id: 1, tags: ["camera", "office"] }]);
  await edge.ok("map", "edit", "8080/tcp", "--no-tag");
  await edge.ok("map", "add", "8081/tcp", "lab", "10.0.0.5:81", "--note", "of the new version");

  await become(older.sallyport);
  expect((await listed()).map(({ endpoint }) => endpoint)).toEqual(["8080/tcp", "8081/tcp"]);
  expect((await edge.json<StatusView>("status")).warnings.filter((warning) => /can't read/.test(warning))).toEqual([]);
});

test("tags go in with commands, filter `map ls`, and come out again", async () => {
  await using site = await testSite({ tcp: "8080-8082" });
  const { edge } = site;
  await site.map("8080/tcp", "10.0.0.1:80", "--tag", "office", "--tag", "camera", "--tag", "office");
  await site.map("8081/tcp", "10.0.0.2:80", "--tag", "camera");
  await site.map("8082/tcp", "10.0.0.3:80");
  const tagged = async (...tags: string[]): Promise<string[]> =>
    (await edge.json<MappingView[]>("map", "ls", ...tags.flatMap((tag) => ["--tag", tag]))).map(
      ({ endpoint }) => endpoint,
    );
  expect(await tagged("camera")).toEqual(["8080/tcp", "8081/tcp"]);
  expect(await tagged("camera", "office")).toEqual(["8080/tcp"]);
  expect(await tagged()).toHaveLength(3);
  expect(await edge.ok("map", "ls")).toMatch(/TAGS\n(?:.* camera office)\n/);
  expect(await edge.ok("map", "ls", "--tag", "garage")).toBe("no matching mappings (of 3)");
  for (const words of [["ls"], ["edit", "8080/tcp"]])
    expect(await edge.cli(["map", ...words, "--tag", "Two Words"])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/"Two Words" is not a tag\.\n +fix: Use 1 to 32 lower-case/) as unknown,
    });
  await edge.ok("map", "edit", "8080/tcp", "--tag", "garage");
  expect(await tagged("garage")).toEqual(["8080/tcp"]);
  expect(await tagged("office")).toEqual([]);
  await edge.ok("map", "edit", "8080/tcp", "--no-tag");
  expect(await tagged("garage")).toEqual([]);
});

test("the dashboard filters by tag, shows tags, and has them in its form", async (context) => {
  await needs(context, "chromium");
  await using site = await testSite({ tcp: "8080-8082" });
  await site.map(
    "8080/tcp",
    "10.0.0.1:80",
    "--name",
    "gate",
    "--owner",
    "Ann, IT",
    "--tag",
    "office",
    "--tag",
    "camera",
  );
  const longest = "a".repeat(32);
  await site.map("8081/tcp", "10.0.0.2:80", "--tag", "camera", "--tag", longest);
  await site.map("8082/tcp", "10.0.0.3:80");
  await using board = await dashboard(site.edge);
  const { page } = board;
  await logIn(site.edge, page);
  const rows = page.locator("table.register tbody tr");
  const filter = page.getByLabel("Tag", { exact: true });
  await filter.waitFor();
  expect(await filter.locator("option").allTextContents()).toEqual(["All tags", longest, "camera", "office"]);
  await filter.selectOption("camera");
  await page.getByText("2 of 3 mappings").waitFor();
  expect(await rows.count()).toBe(2);
  await accessible(page, "the register by tag");
  for (const width of [1280, 360]) {
    await page.setViewportSize({ width, height: 800 });
    // The longest tag ends where the register does, in its filter, too.
    const beyond = await page.evaluate(`(() => {
      const edge = document.querySelector(".table-frame").getBoundingClientRect().right;
      return [...document.querySelectorAll(".filters select, .table-frame .badge")]
        .filter((each) => each.getBoundingClientRect().right > edge + 1).map((each) => each.textContent);
    })()`);
    expect({ width, beyond }).toEqual({ width, beyond: [] });
    expect(await page.evaluate("document.documentElement.scrollWidth - innerWidth")).toBe(0);
  }
  await filter.selectOption("office");
  await page.getByText("1 of 3 mappings").waitFor();
  await page.getByRole("link", { name: "8080/tcp" }).click();
  await page.getByText("camera, office").waitFor();
  await page.getByRole("link", { name: "Edit" }).click();
  expect(await page.getByLabel("Tags", { exact: true }).inputValue()).toBe("camera\noffice");
  await page.getByLabel("Tags", { exact: true }).fill("Garage");
  await page.locator(".error").filter({ hasText: '"Garage" is not a tag.' }).waitFor();
  await accessible(page, "a bad tag");
  await page.getByLabel("Tags", { exact: true }).fill("garage, floor-2 garage");
  await page.getByRole("button", { name: "Save the changes" }).click();
  await page.getByText("floor-2, garage").waitFor();
  expect(await site.edge.json<MappingView>("map", "show", "8080/tcp")).toMatchObject({ tags: ["floor-2", "garage"] });
  expect(board.complaints).toEqual([]);
});
