import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { connect, createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { AGENT, SYSTEM_NODE } from "../../scripts/tool.ts";
import { accessible, dashboard, logIn, tabTo } from "../support/dashboard.ts";
import { needs } from "../support/debian.ts";
import { testEdge } from "../support/edge.ts";
import { echoServer } from "../support/lan.ts";
import { loopback } from "../support/net.ts";
import { run } from "../support/run.ts";
import { testSite } from "../support/site.ts";

test("from the empty page to a first mapping, its test, its traffic, a grant, and the end of a revoked agent's stream", async (context) => {
  await needs(context, "chromium");
  await using edge = await testEdge({ tcp: "8080" });
  await using echo = await echoServer();
  await using board = await dashboard(edge);
  const { page } = board;
  await accessible(page, "login");
  await logIn(edge, page);

  // Three steps, each told with its command.
  await page.getByText("sallyport site add warehouse-3").waitFor();
  await accessible(page, "first steps");
  await page.getByRole("button", { name: "Add a site" }).click();
  await page.getByLabel("Name").fill("not a name!");
  await page.getByRole("button", { name: "Add the site" }).click();
  await page.locator(".error").waitFor();
  await page.getByLabel("Name").fill("lab");
  await page.getByRole("button", { name: "Add the site" }).click();

  await page.getByRole("button", { name: "Issue its token" }).click();
  await page.getByLabel("Targets it may dial").fill(echo.address);
  await page.getByRole("button", { name: "Issue the token" }).click();
  // The test's edge is on loopback: the refusal says so, and what to do about it.
  await page.getByLabel(/The agent runs on the edge's own machine/).check();
  await page.getByRole("button", { name: "Issue the token" }).click();
  await page.getByRole("button", { name: "Show as a QR code" }).click();
  await page.getByRole("img", { name: /QR code/ }).waitFor();
  await accessible(page, "a fresh token");
  const command = await page.getByLabel("Command that starts the agent").first().textContent();
  expect(command).toMatch(/umask 077.*\nagent --token-file lab\.token$/s);
  const token = (await page.getByLabel("agent token", { exact: true }).textContent()) ?? "";
  await page.getByRole("button", { name: "I have it" }).click();
  const file = join(edge.data, "token");
  await writeFile(file, token, { mode: 0o600 });
  await using agent = run(SYSTEM_NODE, [AGENT, "--token-file", file, "--log", "json"]);
  await agent.until(/"msg":"ready"/);

  // The page has heard of the agent by itself.
  await page.getByRole("link", { name: "Add a mapping" }).click();
  await page.getByLabel("Endpoint", { exact: true }).fill("8080/sctp");
  await page.locator(".error").first().waitFor();
  await page.getByLabel("Endpoint", { exact: true }).fill("8080/tcp");
  await page.getByLabel("Target", { exact: true }).fill(echo.address);
  await page.getByLabel("Service", { exact: true }).fill("echo");
  await page.getByText("Anyone on the internet can reach 8080/tcp").waitFor();
  await accessible(page, "new mapping");
  await page.getByRole("button", { name: "Add the mapping" }).click();
  await page.getByRole("heading", { name: "8080/tcp echo ready" }).waitFor();

  await page.getByRole("button", { name: "Test now" }).click();
  await page.getByText("No step failed.").waitFor();
  expect(await page.locator(".hops > li").count()).toBe(5);

  const visitor = connect(8080, edge.host);
  const ended = new Promise((resolve) => visitor.once("close", resolve));
  visitor.on("error", () => undefined).on("data", () => undefined);
  const talk = setInterval(() => visitor.write(Buffer.alloc(100_000)), 200);
  void ended.then(() => clearInterval(talk));
  await using _visitor = { [Symbol.asyncDispose]: async () => void visitor.destroy() };
  await page.locator(".flow .there.moving").first().waitFor();
  await page.getByText("1 visitor", { exact: true }).first().waitFor();
  await accessible(page, "a mapping");

  await page.getByRole("button", { name: "Grant" }).click();
  await page.getByLabel("Who it is for").fill("Ann");
  await page.getByRole("button", { name: "Make the link" }).click();
  const link = (await page.getByLabel("Link of the grant", { exact: true }).textContent()) ?? "";
  expect(link).toMatch(/^http:\/\/[\d.]+:8787\/\.sallyport\/grant\/[0-9a-f]{32}$/);
  await page.getByRole("button", { name: "Done" }).click();

  await page.getByRole("link", { name: "Access" }).click();
  await page.getByRole("row", { name: /Ann/ }).getByText("none yet").waitFor();
  await accessible(page, "access");
  await page.getByRole("button", { name: /Revoke the token of agent:lab/ }).click();
  await page.getByRole("button", { name: "Revoke the token", exact: true }).click();
  await ended;
  await page.getByRole("link", { name: "Log" }).click();
  await page.getByRole("row", { name: /cut/ }).waitFor();
  expect(await page.getByRole("row", { name: /cut/ }).count()).toBe(1);
  await accessible(page, "log");
  await page.getByRole("link", { name: "Audit" }).click();
  await page.getByRole("row", { name: /token revoke/ }).waitFor();
  await accessible(page, "audit");
  await page.getByRole("link", { name: "Overview", exact: true }).click();
  await page.getByText("lab is offline: 1 mapping leads nowhere.").waitFor();
  await accessible(page, "overview");

  // Whoever revokes their own session sees no more.
  await page.getByRole("link", { name: "Access" }).click();
  await page
    .getByRole("row", { name: /in a browser/ })
    .getByRole("button", { name: /Revoke/ })
    .click();
  await page.getByRole("button", { name: "Revoke the token", exact: true }).click();
  await page.getByLabel("Admin secret").fill("not the admin secret at all");
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByText("not the admin secret of this edge").waitFor();
  expect(board.complaints).toEqual([]);
});

test("names and banners that are programs stay text, and a thousand mappings are pages that can be searched", async (context) => {
  await needs(context, "chromium");
  await using site = await testSite({ tcp: "8081" });
  const { edge } = site;
  const host = loopback();
  const greeting = `220 <script>alert("banner")</script><img src=x onerror=alert(1)>\r\n`;
  const server = createServer((socket) => socket.on("error", () => undefined).end(greeting)).listen(0, host);
  await once(server, "listening");
  await using _server = { [Symbol.asyncDispose]: async () => void server.close() };
  const name = `<img src=x onerror=alert(1)>"'\`{{1}}`;
  await site.map(
    "8081/tcp",
    `${host}:${(server.address() as AddressInfo).port}`,
    "--name",
    name,
    "--note",
    "</p><script>alert(2)</script>",
  );
  const mappings = Array.from({ length: 1000 }, (_, nth) => ({
    endpoint: `lab/service-${String(nth).padStart(4, "0")}`,
    site: "lab",
    target: `10.0.${nth >> 8}.${nth & 255}:80`,
  }));
  const applied = await edge.api("PUT", "/mappings", await edge.ok("token", "admin"), { mappings, keep: true });
  expect(applied.status).toBe(200);
  await using board = await dashboard(edge);
  const { page } = board;
  await logIn(edge, page);
  await page.getByText("1,001 mappings").first().waitFor();
  expect(await page.locator("table.register tbody tr").count()).toBe(100);
  await page.getByRole("button", { name: "Next" }).click();
  await page.getByText("page 2 of 11").waitFor();
  await page.getByLabel("Search mappings").fill("service-0999");
  await page.getByText("1 of 1,001 mappings").waitFor();
  await page.getByLabel("Search mappings").fill("8081");
  await page.getByRole("cell", { name }).waitFor();
  await page.getByRole("link", { name: "8081/tcp" }).click();
  await page.getByRole("button", { name: "Test now" }).click();
  await page.getByText(/It says: 220 <script>/).waitFor();
  expect(await page.locator("img, script:not([src])").count()).toBe(0);
  await page.getByRole("link", { name: "Audit" }).click();
  await page.getByRole("row", { name: /map apply/ }).waitFor();
  await page.getByLabel("Subject", { exact: true }).fill("8081/tcp");
  await page.getByRole("button", { name: "Search" }).click();
  await page.getByRole("row", { name: /8081\/tcp/ }).waitFor();
  expect(board.complaints).toEqual([]);
});

test("without a mouse, in the dark, and on a phone", async (context) => {
  await needs(context, "chromium");
  await using site = await testSite({ tcp: "8080" });
  const { edge } = site;
  await using echo = await echoServer();
  await using board = await dashboard(edge);
  const { page } = board;
  await logIn(edge, page);
  await tabTo(page, /^Skip to the content$/);
  await tabTo(page, /^Add a mapping$/);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Add a mapping" }).waitFor();
  await tabTo(page, /^Endpoint$/);
  await page.keyboard.type("8080/tcp");
  await tabTo(page, /^Target$/);
  await page.keyboard.type(echo.address);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "8080/tcp ready" }).waitFor();
  await tabTo(page, /^Remove$/);
  await page.keyboard.press("Enter");
  await page.getByRole("dialog", { name: "Remove 8080/tcp?" }).waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });

  for (const scheme of ["dark", "light"] as const) {
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
    for (const width of [360, 1280]) {
      await page.setViewportSize({ width, height: 740 });
      for (const view of ["", "mapping/8080%2Ftcp", "mapping/8080%2Ftcp/edit", "import", "access", "log", "audit"]) {
        await page.evaluate(`location.hash = ${JSON.stringify(`#/${view}`)}`);
        await page.locator("main h1, main h2").first().waitFor();
        const wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth");
        expect({ scheme, width, view, wide }).toEqual({ scheme, width, view, wide: 0 });
        if ((scheme === "dark") === (width === 360)) await accessible(page, `${view} at ${width} in ${scheme}`);
      }
    }
  }
  expect(board.complaints).toEqual([]);
});
