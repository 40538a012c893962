import { readFile } from "node:fs/promises";
import axe from "axe-core";
import type { Page } from "playwright-core";
import { expect } from "vitest";
import { chromium } from "./chromium.ts";
import type { TestEdge } from "./edge.ts";

export interface Dashboard extends AsyncDisposable {
  readonly page: Page;
  /** What the browser complained about: errors in its console, uncaught exceptions, dialogs that a script opened. */
  readonly complaints: readonly string[];
}

/** The dashboard of an edge in Chromium, at its login page. */
export async function dashboard(edge: TestEdge): Promise<Dashboard> {
  await using stack = new AsyncDisposableStack();
  const browser = stack.use(await chromium());
  const page = await browser.context.newPage();
  page.setDefaultTimeout(60_000);
  const complaints: string[] = [];
  page.on("console", (message) => {
    // What the edge refuses is shown on the page.
    if (message.type() === "error" && !message.text().includes("status of 4")) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("dialog", (dialog) => {
    complaints.push(dialog.message());
    void dialog.dismiss();
  });
  await page.goto(`${edge.url}/.sallyport/`);
  const owned = stack.move();
  return { page, complaints, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Logs in with the admin secret, and waits until the edge has told what there is. */
export async function logIn(edge: TestEdge, page: Page): Promise<void> {
  await page.getByLabel("Admin secret").fill((await readFile(edge.secretFile, "utf8")).trim());
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByRole("navigation", { name: "Main" }).waitFor();
  await page.getByText("Live", { exact: true }).first().waitFor();
}

/** Fails for what axe-core finds serious or worse in the page as it is. */
export async function accessible(page: Page, what: string): Promise<void> {
  await page.evaluate(axe.source);
  const found = (await page.evaluate("axe.run(document, { resultTypes: ['violations'] })")) as axe.AxeResults;
  const serious = found.violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => ({
      what,
      id,
      where: nodes.map(({ html, failureSummary }) => `${html}: ${failureSummary}`),
    }));
  expect(serious).toEqual([]);
}

/** Presses Tab until what has the focus says `name`, as somebody without a mouse does. */
export async function tabTo(page: Page, name: RegExp): Promise<void> {
  const said: string[] = [];
  for (let presses = 0; presses < 80; presses += 1) {
    await page.keyboard.press("Tab");
    const label = (await page.evaluate(`(() => {
      const { activeElement: at } = document;
      return (at?.getAttribute("aria-label") ?? at?.labels?.[0]?.textContent ?? at?.textContent ?? "").trim();
    })()`)) as string;
    if (name.test(label)) return;
    said.push(label.slice(0, 40));
  }
  throw new Error(`Tab does not lead to ${name.source}, only to ${said.join(" | ")}`);
}
