import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { parseEndpoint } from "../../shared/address/endpoint.ts";
import { unwrap } from "../../shared/result.ts";
import type { MappingView } from "../../shared/rule/api.ts";
import { appliesTo } from "../../shared/rule/field.ts";
import { FIELDS } from "../../shared/rule/fields.ts";
import { accessible, dashboard, logIn } from "../support/dashboard.ts";
import { needs } from "../support/debian.ts";
import { PLACES } from "../support/mapping-fields.ts";
import { execute } from "../support/run.ts";
import { testSite } from "../support/site.ts";
import { tempDir } from "../support/temp-dir.ts";

test("the register comes down as the command writes it, and goes up again with its difference shown before", async (context) => {
  await needs(context, "chromium");
  await using site = await testSite({ tcp: "8080-8083" });
  await using folder = await tempDir();
  const { edge } = site;
  await site.map("8080/tcp", "10.0.0.1:80", "--name", "shop");
  await site.map("8081/tcp", "10.0.0.2:80", "--note", 'says "hello"');
  await site.map("8082/tcp", "10.0.0.3:80");
  await using board = await dashboard(edge);
  const { page } = board;
  await logIn(edge, page);
  for (const [name, format] of [
    ["CSV, for spreadsheets", "csv"],
    ["Markdown, for people", "md"],
    ["JSON, for programs", "json"],
  ] as const) {
    expect(await downloaded(page, name)).toBe(await exported(format));
  }
  const toml = await downloaded(page, "TOML, to import again");
  expect(toml).toBe(await exported("toml"));

  await page.getByRole("link", { name: "Import" }).click();
  const file = join(folder.path, "register.toml");
  const wanted = toml.replace("10.0.0.1:80", "10.0.0.9:80").replaceAll("8082/tcp", "8083/tcp");
  await choose(wanted.replace("10.0.0.9:80", "10.0.0.9:80000"));
  await page.getByRole("button", { name: "Show the difference" }).click();
  const bad = 1 + wanted.split("\n").findIndex((line) => line.includes("10.0.0.9"));
  await page.getByText(`Line ${bad}: target: "80000" is not a port`).waitFor();

  await choose(wanted);
  await page.getByLabel(/Keep mappings/).uncheck();
  await page.getByRole("button", { name: "Show the difference" }).click();
  await page.getByRole("heading", { name: "This would change" }).waitFor();
  await accessible(page, "a difference");
  expect(await page.locator(".difference li").allTextContents()).toEqual([
    expect.stringMatching(/^removed 8082\/tcp/),
    expect.stringMatching(/^changed 8080\/tcp.*10\.0\.0\.1:80 → 10\.0\.0\.9:80/),
    expect.stringMatching(/^added 8083\/tcp/),
  ]);
  await page.getByText("1 mapping unchanged.").waitFor();

  // Somebody else changes the register meanwhile: what was shown is not what would happen.
  await edge.ok("map", "edit", "8081/tcp", "--name", "elsewhere");
  await page.getByRole("button", { name: "Make 3 changes" }).click();
  await page.getByRole("alert").waitFor();
  await page.getByRole("button", { name: "Show the difference" }).click();
  await page.getByRole("button", { name: "Make 4 changes" }).click();
  await page.getByText("Mappings imported").waitFor();
  const now = await edge.json<MappingView[]>("map", "ls");
  expect(now.map(({ endpoint, target }) => `${endpoint} ${target}`).toSorted()).toEqual([
    "8080/tcp 10.0.0.9:80",
    "8081/tcp 10.0.0.2:80",
    "8083/tcp 10.0.0.3:80",
  ]);
  expect(board.complaints).toEqual([]);

  async function choose(text: string): Promise<void> {
    await writeFile(file, text);
    await page.locator("input[type=file]").setInputFiles(file);
    await expect.poll(() => page.getByLabel("Rules").inputValue(), { timeout: 60_000 }).toBe(text);
  }

  async function exported(format: string): Promise<string> {
    return (await edge.cli(["map", "export", "--format", format])).stdout;
  }
});

test("the form has a control for every field of a mapping, where its endpoint and target give it a meaning", async (context) => {
  await needs(context, "chromium");
  await using site = await testSite({ tcp: "8080" });
  await using board = await dashboard(site.edge);
  const { page } = board;
  await logIn(site.edge, page);
  await page.getByRole("link", { name: "Add a mapping" }).click();
  for (const { endpoint, target } of Object.values(PLACES)) {
    await page.getByLabel("Endpoint", { exact: true }).fill(endpoint);
    await page.getByLabel("Target", { exact: true }).fill(target);
    await page.locator(".more").evaluate((more) => more.setAttribute("open", ""));
    const controls = page.locator(".mapping-form [name]");
    const names = await controls.evaluateAll((all) => all.map((each) => each.getAttribute("name") ?? ""));
    const parsed = unwrap(parseEndpoint(endpoint));
    const fitting = FIELDS.filter((field) => appliesTo(field, parsed, target)).map(({ name }) => name);
    expect({ endpoint, names: names.toSorted() }).toEqual({ endpoint, names: fitting.toSorted() });
    await accessible(page, `the form of ${endpoint}`);
  }
  expect(board.complaints).toEqual([]);
});

test("a token's QR code is the token, as a camera reads it", async (context) => {
  await needs(context, "chromium", "zbar-tools");
  await using site = await testSite();
  await using folder = await tempDir();
  await using board = await dashboard(site.edge);
  const { page } = board;
  await logIn(site.edge, page);
  await page.getByRole("link", { name: "Access" }).click();
  await page.getByRole("button", { name: "Issue a token" }).click();
  await page.getByLabel("For", { exact: true }).selectOption("agent");
  // The test's edge is on loopback: the refusal offers the word that is needed.
  await page.getByRole("button", { name: "Issue the token" }).click();
  await page.getByLabel(/The agent runs on the edge's own machine/).check();
  await page.getByRole("button", { name: "Issue the token" }).click();
  const token = await page.getByLabel("agent token", { exact: true }).textContent();
  await page.getByRole("button", { name: "Show as a QR code" }).click();
  const picture = join(folder.path, "qr.png");
  await page.getByRole("img", { name: /QR code/ }).screenshot({ path: picture });
  expect((await execute("zbarimg", ["--raw", "--quiet", picture])).stdout.trim()).toBe(token);
  expect(board.complaints).toEqual([]);
});

/** What a button of the download menu saves. */
async function downloaded(page: Page, name: string): Promise<string> {
  await page.getByText("Download", { exact: true }).click();
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name }).click()]);
  await page.keyboard.press("Escape");
  return readFile(await download.path(), "utf8");
}
